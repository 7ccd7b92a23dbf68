#include "redis_wire.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include <sluice/io/timer.h>
#include <sluice/net/address_choice.h>
#include <sluice/net/dialer.h>

#include "command_text.h"

namespace sluice::store {
namespace {

constexpr Duration kAskTime = seconds(1);  // Of ask_once().

std::unexpected<WireFault> broken(std::string_view text) {
  return std::unexpected(WireFault{.text = std::string(text)});
}

bool is_path(const RedisEndpoint& endpoint) { return endpoint.host.starts_with('/'); }

Task<WireResult<net::AddressList>> find_addresses(WireParts& parts, RedisEndpoint endpoint) {
  if (is_path(endpoint)) {
    const auto address = net::unix_address(endpoint.host);
    if (!address) co_return broken("its socket's path is too long");
    net::AddressList list;
    list.entries[0] = *address;
    list.count = 1;
    co_return list;
  }
  const auto found = co_await parts.resolver.find_addresses(endpoint.host, endpoint.port);
  if (!found) co_return broken("its name is not known");
  const auto turn = static_cast<uint32_t>(parts.next_random());
  const Result<net::AddressList> chosen = net::choose_addresses(found->addresses, true, turn);
  if (!chosen) co_return broken("its address may not be dialled");
  co_return *chosen;
}

// All bytes to the kernel.
Task<WireResult<bool>> send_all(RedisWire& wire, const std::string& text, io::Timer& timer,
                                io::Event& gone) {
  const std::string_view slices[] = {text};
  wire.stream.start_send(slices);
  co_await io::first_of(&wire.stream.sent(), &timer, &gone);
  if (!wire.stream.sent().is_ready()) {
    wire.stream.shut_down();
    co_await io::first_of(&wire.stream.sent());
  }
  if (!wire.stream.take_sent()) co_return broken("the connection was lost");
  co_return true;
}

// Field `name` of what INFO answers; "" when it is not there.
std::string info_field(const RedisReply& reply, std::string_view name) {
  const std::string wanted = fmt::format("{}:", name);
  std::string_view text = reply.text;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with(wanted)) return std::string(line.substr(wanted.size()));
  }
  return "";
}

WireFault refusal_of(std::string_view what, const RedisReply& reply) {
  const RedisFault fault = fault_of(reply);
  const std::string_view advice = advice_on(fault);
  std::string text = fmt::format("it refuses {} ({})", what, reply.text.substr(0, 200));
  if (!advice.empty()) text += fmt::format("; {}", advice);
  return {.text = std::move(text), .is_of_configuration = is_of_configuration(fault)};
}

// A greeting is one write of several commands; each knows what its refusal means.
class Greeting {
 public:
  enum class Use : uint8_t { kAuth, kOptional, kSelect, kReady, kRole, kProcess, kHistory };

  void add(Use use, std::initializer_list<std::string_view> arguments) {
    append_command(text_, arguments);
    uses_.push_back(use);
  }
  void add_auth(const std::string& user, const std::string& password) {
    if (user.empty() && password.empty()) return;
    if (user.empty()) {
      add(Use::kAuth, {"AUTH", password});
    } else {
      add(Use::kAuth, {"AUTH", user, password});
    }
  }
  [[nodiscard]] std::string take_text() { return std::exchange(text_, {}); }
  [[nodiscard]] const std::vector<Use>& uses() const noexcept { return uses_; }

 private:
  std::string text_;
  std::vector<Use> uses_;
};

using Use = Greeting::Use;

// What the answers to a greeting say together.
class Answers {
 public:
  [[nodiscard]] std::optional<WireFault> read(Use use, const RedisReply& reply) {
    switch (use) {
      case Use::kAuth:
        if (!reply.is_error()) return std::nullopt;
        return of_configuration(refusal_of("our user or password", reply));
      case Use::kSelect:
        if (!reply.is_error()) return std::nullopt;
        return of_configuration(refusal_of("our database", reply));
      case Use::kReady: return read_ready(reply);
      case Use::kRole:
        if (reply.kind == RedisReply::Kind::kList && !reply.items.empty()) {
          role_ = reply.items[0].text;
        }
        return std::nullopt;
      case Use::kProcess: identity_.run_id = info_field(reply, "run_id"); return std::nullopt;
      case Use::kHistory:
        identity_.replication_id = info_field(reply, "master_replid");
        if (role_.empty()) role_ = info_field(reply, "role");
        return std::nullopt;
      case Use::kOptional: return std::nullopt;
    }
    return std::nullopt;
  }

  [[nodiscard]] WireResult<ServerIdentity> conclude() && {
    // Without the right to ask for either, the first write tells.
    if (!role_.empty() && role_ != "master") {
      return std::unexpected(WireFault{.text = "it is a replica, not a master"});
    }
    return std::move(identity_);
  }

 private:
  static WireFault of_configuration(WireFault fault) {
    fault.is_of_configuration = true;
    return fault;
  }

  // A user without the right to PING may still do all that is needed.
  static std::optional<WireFault> read_ready(const RedisReply& reply) {
    switch (fault_of(reply)) {
      case RedisFault::kNone:
      case RedisFault::kNoPermission:
      case RedisFault::kDiskFailed: return std::nullopt;
      default: return refusal_of("to work", reply);
    }
  }

  std::string role_;
  ServerIdentity identity_;
};

}  // namespace

std::string to_text(const RedisEndpoint& endpoint) {
  if (is_path(endpoint)) return endpoint.host;
  const bool is_v6 = endpoint.host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", endpoint.host, endpoint.port)
               : fmt::format("{}:{}", endpoint.host, endpoint.port);
}

WireResult<net::TlsClient*> TlsNames::find(const RedisEndpoint& endpoint) {
  if (!options_.tls || is_path(endpoint)) return nullptr;
  const std::string& name =
      options_.tls_server_name.empty() ? endpoint.host : options_.tls_server_name;
  if (const auto known = clients_.find(name); known != clients_.end()) return known->second.get();
  if (clients_.size() >= kNamesMost) clients_.clear();  // Streams keep what they need.
  net::TlsClientSettings settings;
  settings.ca_pem = options_.tls_ca_pem;
  settings.server_name = name;
  const std::optional<net::TlsClientSettings> wanted[] = {std::move(settings)};
  auto made = net::TlsClient::make(wanted, system_);
  if (!made) {
    return std::unexpected(
        WireFault{.text = "TLS: " + std::move(made.error()), .is_of_configuration = true});
  }
  return (clients_[name] = std::move((*made)[0])).get();
}

uint64_t WireParts::next_random() noexcept {
  uint64_t mixed = random += 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

Task<WireResult<std::unique_ptr<RedisWire>>> open_wire(WireParts& parts, RedisEndpoint endpoint,
                                                       Deadline deadline, io::Event& gone) {
  const WireResult<net::TlsClient*> tls = parts.tls.find(endpoint);
  if (!tls) co_return std::unexpected(tls.error());
  const WireResult<net::AddressList> addresses = co_await find_addresses(parts, endpoint);
  if (!addresses) co_return std::unexpected(addresses.error());
  const Result<int> fd = co_await net::dial(parts.ring, *addresses, {}, deadline, &gone);
  if (!fd) co_return broken(fd.error().detail);
  auto wire = std::make_unique<RedisWire>(parts.ring, *fd);
  if (*tls == nullptr) co_return std::move(wire);
  WireFault fault{.text = "no memory for TLS"};
  if ((*tls)->secure(wire->stream)) {
    const Result<void> done = co_await net::handshake(wire->stream, deadline, &gone);
    if (done) co_return std::move(wire);
    fault.text = std::string(done.error().detail);
    fault.is_of_configuration = done.error().code == ErrorCode::kUpstreamTls;
  }
  co_await wire->stream.close();
  co_return std::unexpected(std::move(fault));
}

Task<WireResult<std::vector<RedisReply>>> ask(RedisWire& wire, std::string text, size_t count,
                                              Deadline deadline, io::Event& gone) {
  net::Stream& stream = wire.stream;
  io::Timer timer(stream.ring().ready(), stream.ring().timers());
  timer.set(deadline);
  const WireResult<bool> is_sent = co_await send_all(wire, text, timer, gone);
  if (!is_sent) co_return std::unexpected(is_sent.error());
  std::vector<RedisReply> replies;
  while (replies.size() < count) {
    stream.start_receive();
    co_await io::first_of(&stream.received(), &timer, &gone);
    if (gone.is_ready()) co_return broken("we end");
    if (!stream.received().is_ready()) co_return broken("it does not answer");
    const Result<io::Buffer> received = stream.take_received();
    if (!received) co_return broken(received.error().detail);
    if (received->is_empty()) co_return broken("it closed the connection");
    wire.reader.feed(received->bytes());
    for (;;) {
      auto reply = wire.reader.next();
      if (!reply) co_return broken(reply.error());
      if (!*reply) break;
      replies.push_back(*std::move(*reply));
    }
  }
  if (replies.size() > count) co_return broken("it answers more than it was asked");
  co_return std::move(replies);
}

Task<WireResult<ServerIdentity>> greet(WireParts& parts, RedisWire& wire, Deadline deadline,
                                       io::Event& gone) {
  const RedisOptions& options = parts.options;
  Greeting greeting;
  greeting.add_auth(options.username, options.password);
  if (options.database != 0) {
    greeting.add(Use::kSelect, {"SELECT", std::to_string(options.database)});
  }
  greeting.add(Use::kOptional, {"CLIENT", "SETNAME", "sluice"});
  greeting.add(Use::kReady, {"PING"});
  greeting.add(Use::kRole, {"ROLE"});
  greeting.add(Use::kProcess, {"INFO", "server"});
  greeting.add(Use::kHistory, {"INFO", "replication"});
  const WireResult<std::vector<RedisReply>> replies =
      co_await ask(wire, greeting.take_text(), greeting.uses().size(), deadline, gone);
  if (!replies) co_return std::unexpected(replies.error());
  Answers answers;
  for (size_t i = 0; i < replies->size(); ++i) {
    if (auto fault = answers.read(greeting.uses()[i], (*replies)[i])) {
      co_return std::unexpected(*std::move(fault));
    }
  }
  co_return std::move(answers).conclude();
}

Task<WireResult<RedisReply>> ask_once(WireParts& parts, RedisEndpoint endpoint, bool is_sentinel,
                                      std::string command, io::Event& gone) {
  const Deadline deadline = Deadline::after(parts.ring.now(), kAskTime);
  auto wire = co_await open_wire(parts, endpoint, deadline, gone);
  if (!wire) co_return std::unexpected(std::move(wire.error()));
  const RedisOptions& options = parts.options;
  Greeting greeting;
  if (is_sentinel) {
    greeting.add_auth(options.sentinel_user, options.sentinel_password);
  } else {
    greeting.add_auth(options.username, options.password);
  }
  const size_t auth_count = greeting.uses().size();
  auto replies =
      co_await ask(**wire, greeting.take_text() + command, auth_count + 1, deadline, gone);
  co_await (*wire)->stream.close();
  if (!replies) co_return std::unexpected(std::move(replies.error()));
  if (auth_count > 0 && replies->front().is_error()) {
    WireFault fault = refusal_of("our user or password", replies->front());
    fault.is_of_configuration = true;
    co_return std::unexpected(std::move(fault));
  }
  if (replies->back().is_error()) co_return std::unexpected(refusal_of("to tell", replies->back()));
  co_return std::move(replies->back());
}

}  // namespace sluice::store
