#include <sluice/net/system_resolver.h>

#include <arpa/nameser.h>
#include <algorithm>
#include <cstring>
#include <limits>

#include <sluice/base/assert.h>
#include <sluice/net/address_choice.h>

#include "name_channel.h"

namespace sluice::net {
namespace {

// What the hosts file says has no time of its own.
constexpr Duration kFileValidity = seconds(10);

// Lives in the frame that awaits it.
struct Question {
  Question(io::Ring& ring, NameChannel& asked) : channel(asked), done(ring.ready()) {
    channel.begin_question();
  }
  void end(int outcome) {
    status = outcome;
    channel.end_question();
    done.trigger();
  }
  NameChannel& channel;
  io::Event done;
  int status = ARES_SUCCESS;
};

struct AddressQuestion : Question {
  using Question::Question;
  uint16_t port = 0;
  NameAnswer answer;
};

struct ServiceQuestion : Question {
  using Question::Question;
  std::vector<ServiceRecord> answer;
};

std::optional<Address> address_of(const ares_addrinfo_node& node, uint16_t port) {
  Address address;
  if (node.ai_addrlen > sizeof address.storage) return std::nullopt;
  std::memcpy(&address.storage, node.ai_addr, node.ai_addrlen);
  address.length = node.ai_addrlen;
  switch (address.family()) {
    case AF_INET:
      reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port = htons(port);
      return address;
    case AF_INET6:
      reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_port = htons(port);
      return address;
    default: return std::nullopt;
  }
}

void on_addresses(void* asked, int status, int, ares_addrinfo* found) {
  auto& question = *static_cast<AddressQuestion*>(asked);
  int valid_s = std::numeric_limits<int>::max();
  if (status == ARES_SUCCESS) {
    for (const auto* node = found->nodes; node != nullptr; node = node->ai_next) {
      const auto address = address_of(*node, question.port);
      if (!address || question.answer.addresses.size() == kKnownAddressesMost) continue;
      question.answer.addresses.push_back(*address);
      valid_s = std::min(valid_s, node->ai_ttl);
    }
    for (const auto* name = found->cnames; name != nullptr; name = name->next) {
      valid_s = std::min(valid_s, name->ttl);
    }
    if (question.answer.addresses.empty()) status = ARES_ENODATA;
  }
  if (found != nullptr) ares_freeaddrinfo(found);
  question.answer.valid_for = seconds(std::max(valid_s, 0));
  question.end(status);
}

void on_services(void* asked, int status, int, unsigned char* bytes, int length) {
  auto& question = *static_cast<ServiceQuestion*>(asked);
  ares_srv_reply* found = nullptr;
  if (status == ARES_SUCCESS) status = ares_parse_srv_reply(bytes, length, &found);
  for (const auto* record = found; record != nullptr; record = record->next) {
    const std::string_view host = record->host;
    const bool is_absent = host.empty() || host == ".";
    if (is_absent || question.answer.size() == Resolver::kServicesMost) continue;
    question.answer.push_back({.host = std::string(host),
                               .port = record->port,
                               .priority = record->priority,
                               .weight = record->weight});
  }
  if (found != nullptr) ares_free_data(found);
  question.end(status);
}

std::unexpected<std::string> cannot_resolve(const std::string& what, int status) {
  return std::unexpected("cannot resolve " + what + ": " + ares_strerror(status));
}

}  // namespace

SystemResolver::SystemResolver(io::Ring& ring, ResolverSettings settings)
    : ring_(ring), settings_(std::move(settings)), became_idle_(ring.ready()) {}

SystemResolver::~SystemResolver() { SLUICE_ASSERT(is_idle()); }

NameChannel* SystemResolver::open_channel() {
  if (channel_ != nullptr) return channel_.get();
  auto channel = std::make_unique<NameChannel>(ring_);
  if (!channel->open(settings_)) return nullptr;
  channel_ = std::move(channel);
  return channel_.get();
}

Task<void> SystemResolver::drive() {
  co_await channel_->drive();
  channel_.reset();
  became_idle_.trigger();
}

Task<std::expected<NameAnswer, std::string>> SystemResolver::find_addresses(std::string host,
                                                                            uint16_t port) {
  if (const auto numeric = parse_address(host, port)) {
    co_return NameAnswer{.addresses = {*numeric}, .valid_for = kFileValidity};
  }
  const bool is_new = is_idle();
  NameChannel* channel = open_channel();
  if (channel == nullptr) co_return cannot_resolve(host, ARES_ENOTINITIALIZED);
  AddressQuestion question(ring_, *channel);
  question.port = port;
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  ares_getaddrinfo(channel->raw(), host.c_str(), nullptr, &hints, &on_addresses, &question);
  // No name server answers so soon.
  if (question.done.is_ready()) question.answer.valid_for = kFileValidity;
  channel->after_asking();
  if (is_new) io::start_detached(drive());
  co_await io::first_of(&question.done);
  if (question.status != ARES_SUCCESS) co_return cannot_resolve(host, question.status);
  co_return std::move(question.answer);
}

Task<std::expected<std::vector<ServiceRecord>, std::string>> SystemResolver::resolve_srv(
    std::string name) {
  const bool is_new = is_idle();
  NameChannel* channel = open_channel();
  if (channel == nullptr) co_return cannot_resolve(name, ARES_ENOTINITIALIZED);
  ServiceQuestion question(ring_, *channel);
  ares_query(channel->raw(), name.c_str(), ns_c_in, ns_t_srv, &on_services, &question);
  channel->after_asking();
  if (is_new) io::start_detached(drive());
  co_await io::first_of(&question.done);
  if (question.status != ARES_SUCCESS) co_return cannot_resolve(name, question.status);
  co_return std::move(question.answer);
}

Task<void> SystemResolver::end() {
  while (!is_idle()) {
    became_idle_.reset();
    ares_cancel(channel_->raw());
    channel_->after_asking();
    co_await io::first_of(&became_idle_);
  }
}

}  // namespace sluice::net
