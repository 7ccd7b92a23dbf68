#include <sluice/control/discovery.h>

#include <algorithm>
#include <fstream>

#include <fmt/format.h>

#include <sluice/base/assert.h>
#include <sluice/control/member_list.h>
#include <sluice/io/timer.h>

namespace sluice::control {
namespace {

using config::DiscoveryKind;
using config::Member;

constexpr Duration kEndPause = milliseconds(5);  // Between looks whether the last has ended.
constexpr uint32_t kWeightMax = 1000;

// Blocks on the disk; runs on a lane. One byte too many is enough to refuse a file.
struct ReadFile {
  std::string path;

  std::expected<std::string, std::string> operator()() const {
    std::ifstream file(path, std::ios::binary);
    if (!file) return std::unexpected(path + " cannot be read");
    std::string text(kMemberListBytesMax + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad()) return std::unexpected(path + " cannot be read");
    text.resize(static_cast<size_t>(file.gcount()));
    return text;
  }
};

std::string host_of(const net::Address& address) {
  std::string text = address.to_text();
  text.resize(text.rfind(':'));
  if (text.starts_with('[')) text = text.substr(1, text.size() - 2);
  return text;
}

std::expected<std::vector<Member>, std::string> read_list(std::string_view text,
                                                          std::string_view source) {
  auto members = read_member_list(text);
  if (!members) return std::unexpected(fmt::format("{}: {}", source, members.error()));
  return *std::move(members);
}

// Anything from 9/10 to 11/10 of it, so that many gateways do not ask at one moment.
Duration spread(Duration interval, uint64_t random) noexcept {
  return interval * 9 / 10 + interval * static_cast<int64_t>(random % 1024) / (5 * 1024);
}

}  // namespace

Discovery::Discovery(io::Ring& ring, io::Lane& lane, io::OffloadReturns& returns,
                     net::Resolver& resolver, metrics::Registry& registry, Logger& log)
    : ring_(ring),
      lane_(lane),
      returns_(returns),
      resolver_(resolver),
      registry_(registry),
      log_(log),
      stopped_(ring.ready()) {}

Discovery::~Discovery() { SLUICE_ASSERT(is_quiet()); }

void Discovery::follow(const config::Snapshot& snapshot) {
  const auto is_gone = [&](const auto& entry) {
    return std::ranges::find(snapshot.discovery, entry.first, &config::Discovery::group) ==
           snapshot.discovery.end();
  };
  for (auto& entry : sources_) {
    if (is_gone(entry)) leave(std::move(entry.second.client));
  }
  std::erase_if(sources_, is_gone);
  for (const config::Discovery& settings : snapshot.discovery) {
    Source& source = sources_[settings.group];
    const bool is_same =
        source.settings.kind == settings.kind && source.settings.target == settings.target &&
        source.settings.port == settings.port && source.settings.group == settings.group;
    // What runs for another source answers in vain; see look().
    if (!is_same || source.settings.private_addresses != settings.private_addresses) {
      leave(std::move(source.client));
    }
    if (!is_same) source = Source{.settings = settings, .is_running = source.is_running};
    source.settings = settings;
  }
}

void Discovery::tick() {
  if (stopped_.is_ready()) return;
  for (auto& [group, source] : sources_) {
    if (source.is_running || !source.next.has_passed(ring_.now())) continue;
    source.is_running = true;
    ++running_;
    io::start_detached(look(group));
  }
}

Task<void> Discovery::look(std::string group) {
  Source& begun = sources_.find(group)->second;
  const config::Discovery asked = begun.settings;
  Found found = co_await ask(begun);
  --running_;
  const auto present = sources_.find(group);
  if (present == sources_.end()) co_return;
  Source& source = present->second;
  source.is_running = false;
  const bool is_same = source.settings.kind == asked.kind && source.settings.target == asked.target;
  if (!is_same || stopped_.is_ready()) co_return;
  source.next = Deadline{ring_.now() + spread(asked.interval, random_.next_u64())};
  note(source, std::move(found));
}

// `source` may be gone once something was awaited.
Task<Discovery::Found> Discovery::ask(Source& source) {
  const config::Discovery& settings = source.settings;
  switch (settings.kind) {
    case DiscoveryKind::kFile: return ask_file(settings.target);
    case DiscoveryKind::kDns: return ask_dns(settings.target, settings.port);
    case DiscoveryKind::kSrv: return ask_srv(settings.target);
    case DiscoveryKind::kHttp: break;
  }
  return ask_http(source);
}

Task<Discovery::Found> Discovery::ask_file(std::string path) {
  auto text = co_await io::offload(lane_, returns_, ReadFile{path});
  if (!text) co_return std::unexpected("reading files is behind");
  if (!*text) co_return std::unexpected(std::move(text->error()));
  co_return read_list(**text, path);
}

Task<Discovery::Found> Discovery::ask_dns(std::string host, uint16_t port) {
  auto found = co_await resolver_.find_addresses(std::move(host), port);
  if (!found) co_return std::unexpected(std::move(found.error()));
  std::vector<Member> members;
  for (const net::Address& address : found->addresses) {
    members.push_back({.host = host_of(address), .port = port});
  }
  co_return members;
}

Task<Discovery::Found> Discovery::ask_srv(std::string name) {
  auto found = co_await resolver_.resolve_srv(std::move(name));
  if (!found) co_return std::unexpected(std::move(found.error()));
  // Those of a larger number are for when all others fail, which priorities of routes are for.
  uint16_t first = UINT16_MAX;
  for (const net::ServiceRecord& record : *found) first = std::min(first, record.priority);
  std::vector<Member> members;
  for (const net::ServiceRecord& record : *found) {
    if (record.priority != first) continue;
    members.push_back({.host = record.host,
                       .port = record.port,
                       .weight = std::clamp<uint32_t>(record.weight, 1, kWeightMax)});
  }
  co_return members;
}

Task<Discovery::Found> Discovery::ask_http(Source& source) {
  constexpr uint16_t kOk = 200;
  const std::string url = source.settings.target;
  if (source.client == nullptr) {
    http::ClientOptions options;
    options.url = url;
    options.private_addresses = source.settings.private_addresses;
    options.answer_bytes_max = kMemberListBytesMax;
    auto made = http::Client::make(ring_, resolver_, std::move(options));
    if (!made) co_return std::unexpected(std::move(made.error()));
    source.client = *std::move(made);
  }
  const auto answer = co_await source.client->get("", Deadline{ring_.now() + kLookTime});
  if (!answer) co_return std::unexpected(fmt::format("{}: {}", url, answer.error().detail));
  if (answer->status != kOk) {
    co_return std::unexpected(fmt::format("{}: it answers {}", url, answer->status));
  }
  co_return read_list(answer->body, url);
}

void Discovery::leave(std::unique_ptr<http::Client> client) {
  if (client == nullptr) return;
  ++running_;
  io::start_detached(end_client(std::move(client)));
}

Task<void> Discovery::end_client(std::unique_ptr<http::Client> client) {
  co_await client->end();
  --running_;
}

void Discovery::note(Source& source, Found found) {
  const std::string& group = source.settings.group;
  metrics::GroupCells& cells = registry_.group(group);
  if (!found) {
    cells.failures.add();
    if (!std::exchange(source.has_failed, true)) {
      log_.write(LogLevel::kWarn, "discovery",
                 fmt::format("{}: {}; it keeps its {} servers", group, found.error(),
                             source.members.size()));
    }
    return;
  }
  if (std::exchange(source.has_failed, false)) {
    log_.write(LogLevel::kInfo, "discovery", group + ": its source answers again");
  }
  put_in_order(*found);
  if (*found == source.members) return;
  log_.write(LogLevel::kInfo, "discovery",
             fmt::format("{}: {} servers, before {}", group, found->size(), source.members.size()));
  source.members = *std::move(found);
  cells.members.set(static_cast<int64_t>(source.members.size()));
  has_changed_ = true;
}

bool Discovery::is_load_due() const noexcept {
  return has_changed_ && !stopped_.is_ready() &&
         (loaded_at_ == MonoTime::min() || ring_.now() - loaded_at_ >= kLoadPause);
}

config::Members Discovery::begin_load() {
  has_changed_ = false;
  loaded_at_ = ring_.now();
  return members();
}

config::Members Discovery::members() const {
  config::Members members;
  for (const auto& [group, source] : sources_) members.push_back({group, source.members});
  return members;
}

bool Discovery::is_quiet() const noexcept {
  const auto has_client = [](const auto& entry) { return entry.second.client != nullptr; };
  return running_ == 0 && std::ranges::none_of(sources_, has_client);
}

Task<void> Discovery::end() {
  stopped_.trigger();
  for (auto& [group, source] : sources_) leave(std::move(source.client));
  io::Timer pause(ring_.ready(), ring_.timers());
  while (running_ > 0) {
    pause.set(Deadline::after(ring_.now(), kEndPause));
    co_await io::first_of(&pause);
  }
}

}  // namespace sluice::control
