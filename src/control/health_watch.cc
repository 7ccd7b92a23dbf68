#include <sluice/control/health_watch.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <sluice/base/assert.h>
#include <sluice/config/upstream_path.h>
#include <sluice/control/attempt_counts.h>
#include <sluice/http/response_parser.h>
#include <sluice/http/serializer.h>
#include <sluice/io/timer.h>
#include <sluice/json/writer.h>
#include <sluice/resilience/health_checker.h>
#include <sluice/upstream/pool.h>

namespace sluice::control {
namespace {

using metrics::HealthOutcome;

constexpr Duration kLeavePause = milliseconds(5);  // Between looks whether the last has gone.

// Of one token, not streamed.
std::string write_body(const std::string& model) {
  std::string body;
  json::Writer(body)
      .begin_object()
      .key("model")
      .string(model)
      .key("messages")
      .begin_array()
      .begin_object()
      .key("role")
      .string("user")
      .key("content")
      .string("ping")
      .end_object()
      .end_array()
      .key("max_tokens")
      .unsigned_integer(1)
      .end_object();
  return body;
}

// The whole request; empty when it cannot be written.
std::string write_request(const config::Upstream& upstream) {
  constexpr std::string_view kChat = "/v1/chat/completions";
  const config::HealthCheck& health = *upstream.health;
  const bool asks_model = !health.model.empty();
  std::string path(config::upstream_path_bytes_max(upstream.endpoint, kChat, {}), '\0');
  path.resize(config::upstream_path(upstream.endpoint, kChat, {}, path).size());
  const std::string body = asks_model ? write_body(health.model) : std::string();
  size_t bytes = 512 + path.size() + health.path.size() + upstream.endpoint.authority.size() +
                 upstream.credential.name.size() + upstream.credential.value.size();
  for (const config::Header& header : upstream.headers) {
    bytes += header.name.size() + header.value.size() + 4;
  }
  std::string text(bytes, '\0');
  http::HeadWriter writer(text);
  writer.request_line(asks_model ? "POST" : "GET", asks_model ? path : health.path)
      .header("host", upstream.endpoint.authority)
      .header("accept", "*/*")
      .header("connection", "close");
  if (!upstream.credential.name.empty()) {
    writer.any_header(upstream.credential.name, upstream.credential.value);
  }
  for (const config::Header& header : upstream.headers) {
    if (header.op != config::HeaderOp::kRemove) writer.any_header(header.name, header.value);
  }
  if (asks_model) writer.header("content-type", "application/json").content_length(body.size());
  writer.end();
  text.resize(writer.text().size());
  return text.empty() ? text : text + body;
}

// What an upstream has said so far.
class HealthAnswer {
 public:
  // The head's fields point into the bytes, which must not move.
  HealthAnswer() { bytes_.reserve(2 * HealthWatch::kHeadBytesMax); }

  // Whether all is known.
  [[nodiscard]] Result<bool> take(std::string_view news) {
    if (has_head_) return is_body_over(news.size());
    // One byte too many is enough for the parser to refuse the head.
    const size_t room = HealthWatch::kHeadBytesMax + 1 - bytes_.size();
    size_t beyond = news.size() - std::min(news.size(), room);
    bytes_.append(news.substr(0, room));
    for (;;) {
      switch (parser_.parse(bytes_)) {
        case http::ParseState::kNeedMore: return false;
        case http::ParseState::kError: return std::unexpected(parser_.error());
        case http::ParseState::kDone: break;
      }
      const http::ResponseHead& head = parser_.head();
      if (!head.is_interim()) {
        has_head_ = true;
        // Only a body whose end is told is waited for: others need not end.
        if (head.body.kind == http::BodyKind::kLength) body_left_ = head.body.length;
        return is_body_over(bytes_.size() - head.head_bytes + beyond);
      }
      bytes_.erase(0, head.head_bytes);
      parser_.reset(http::AnswerTo::kOther);
      // What had no room behind an interim head has it now.
      bytes_.append(news.substr(news.size() - beyond));
      beyond = 0;
    }
  }
  [[nodiscard]] uint16_t status() const noexcept { return parser_.head().status; }

 private:
  [[nodiscard]] bool is_body_over(uint64_t news) noexcept {
    body_left_ -= std::min(body_left_, news);
    return status() >= 300 || body_left_ == 0 || body_left_ > HealthWatch::kBodyBytesMax;
  }

  std::string bytes_;
  http::ResponseParser parser_{{.head_bytes_max = HealthWatch::kHeadBytesMax}};
  uint64_t body_left_ = 0;
  bool has_head_ = false;
};

// Each check has a connection of its own.
constexpr config::PoolLimits kPoolLimits{.idle_max = 0, .connections_max = 2};

}  // namespace

struct HealthWatch::Target {
  Target(io::Ring& ring, const config::Upstream& upstream, uint64_t random)
      : name(upstream.name),
        checker(*upstream.health, ring.now(), random),
        pool(ring, kPoolLimits, cells, upstream::reach_of(upstream)),
        stopped(ring.ready()) {}

  const std::string name;
  config::HealthCheck settings;
  std::string request;
  resilience::HealthChecker checker;
  metrics::UpstreamCells cells;  // Of the pool alone: a shard's are that shard's to write.
  upstream::Pool pool;
  io::Event stopped;
  AttemptCounts seen;  // Of clients' attempts, at the last look.
  bool is_running = false;
};

HealthWatch::HealthWatch(io::Ring& ring, metrics::Registry& registry, DeploymentBook& book,
                         Logger& log)
    : ring_(ring), registry_(registry), book_(book), log_(log) {}

HealthWatch::~HealthWatch() { SLUICE_ASSERT(is_quiet()); }

void HealthWatch::follow(const config::Snapshot& snapshot,
                         const std::vector<std::vector<net::Address>>& addresses,
                         std::vector<std::unique_ptr<net::TlsClient>> clients) {
  auto before = std::exchange(targets_, {});
  for (size_t i = 0; i < snapshot.upstreams.size(); ++i) {
    const config::Upstream& upstream = snapshot.upstreams[i];
    if (!upstream.health) {
      mark(upstream.name, false);
      continue;
    }
    std::unique_ptr<Target> target;
    const auto known = before.find(upstream.name);
    if (known != before.end() && known->second->pool.reach() == upstream::reach_of(upstream)) {
      target = std::move(known->second);
      before.erase(known);
      target->checker.set_settings(*upstream.health);
    } else {
      target = std::make_unique<Target>(ring_, upstream, random_.next_u64());
      target->seen = count_attempts(registry_.upstreams().find(upstream.name));
    }
    target->settings = *upstream.health;
    target->request = write_request(upstream);
    target->pool.set_addresses(addresses[i]);
    target->pool.set_tls(i < clients.size() ? std::move(clients[i]) : nullptr);
    mark(upstream.name, target->checker.is_down());
    targets_.emplace(upstream.name, std::move(target));
  }
  for (auto& [name, target] : before) {
    const bool is_back = targets_.contains(name);
    if (target->checker.is_down()) {
      log_.write(LogLevel::kInfo, "health",
                 name + (is_back ? ": counts as up until it is checked at its new place"
                                 : ": is not checked any more, and counts as up"));
    }
    leave(std::move(target));
  }
}

void HealthWatch::set_addresses(const std::string& upstream,
                                const std::vector<net::Address>& addresses) {
  const auto target = targets_.find(upstream);
  if (target != targets_.end()) target->second->pool.set_addresses(addresses);
}

void HealthWatch::tick() {
  free_left();
  for (auto& [name, target] : targets_) {
    look_at_traffic(*target);
    if (running_ >= kChecksAtOnce || !target->checker.take_due(ring_.now())) continue;
    ++running_;
    target->is_running = true;
    io::start_detached(check(target.get()));
  }
}

void HealthWatch::look_at_traffic(Target& target) {
  const AttemptCounts counts = count_attempts(registry_.upstreams().find(target.name));
  const AttemptCounts before = std::exchange(target.seen, counts);
  if (counts.successes > before.successes && counts.failures == before.failures) {
    target.checker.note_passive_success(ring_.now(), random_.next_u64());
  }
}

Task<void> HealthWatch::check(Target* target) {
  const Outcome outcome = co_await ask(target);
  --running_;
  target->is_running = false;
  if (!target->stopped.is_ready()) note(*target, outcome);
}

Task<HealthWatch::Outcome> HealthWatch::ask(Target* target) {
  const Deadline deadline = Deadline::after(ring_.now(), target->settings.timeout);
  // Neither changes under a check: a reload writes the next one's.
  const std::string request = target->request;
  const auto late = [&] { return Outcome{HealthOutcome::kTimeout, "no answer within its time"}; };
  const auto lost = [&](const Error& error) {
    if (deadline.has_passed(ring_.now())) return late();
    return Outcome{HealthOutcome::kUnreachable, std::string(error.detail)};
  };
  if (request.empty()) co_return Outcome{HealthOutcome::kUnreachable, "it cannot be asked"};
  Result<upstream::Lease> lease = co_await target->pool.dial(deadline, &target->stopped);
  if (!lease) co_return lost(lease.error());
  net::Stream& stream = (*lease)->stream;
  io::Timer timer(ring_.ready(), ring_.timers());
  timer.set(deadline);
  const std::string_view slices[] = {request};
  stream.start_send(slices);
  co_await io::first_of(&stream.sent(), &timer, &target->stopped);
  if (!stream.sent().is_ready()) {
    stream.shut_down();
    co_await io::first_of(&stream.sent());
  }
  if (const Result<void> sent = stream.take_sent(); !sent) co_return lost(sent.error());

  HealthAnswer answer;
  for (;;) {
    stream.start_receive();
    co_await io::first_of(&stream.received(), &timer, &target->stopped);
    if (!stream.received().is_ready()) co_return late();
    const Result<io::Buffer> received = stream.take_received();
    if (!received) co_return lost(received.error());
    if (received->is_empty())
      co_return Outcome{HealthOutcome::kUnreachable, "it closed the connection"};
    const Result<bool> is_over = answer.take(received->bytes());
    if (!is_over) co_return lost(is_over.error());
    if (!*is_over) continue;
    if (answer.status() < 300) co_return Outcome{HealthOutcome::kPassed, "it answers"};
    co_return Outcome{HealthOutcome::kRefused, fmt::format("it answered {}", answer.status())};
  }
}

void HealthWatch::note(Target& target, const Outcome& outcome) {
  metrics::UpstreamWatchCells& cells = registry_.upstream_watch(target.name);
  cells.health_checks[outcome.kind].add();
  const bool was_down = target.checker.is_down();
  const bool has_passed = outcome.kind == HealthOutcome::kPassed;
  target.checker.note(has_passed, ring_.now(), random_.next_u64());
  const bool is_down = target.checker.is_down();
  if (is_down == was_down) return;
  mark(target.name, is_down);
  book_.hurry();
  log_.write(is_down ? LogLevel::kWarn : LogLevel::kInfo, "health",
             is_down ? fmt::format("{} is down after {} failed checks in a row: {}", target.name,
                                   target.settings.unhealthy_after, outcome.reason)
                     : fmt::format("{} is up again after {} passed checks in a row", target.name,
                                   target.settings.healthy_after));
}

void HealthWatch::mark(const std::string& name, bool is_down) {
  registry_.upstream_watch(name).is_down.set(is_down ? 1 : 0);
  if (DeploymentOrders* orders = book_.orders(name)) orders->is_down = is_down;
}

void HealthWatch::leave(std::unique_ptr<Target> target) {
  target->stopped.trigger();
  target->pool.close();
  leaving_.push_back(std::move(target));
}

void HealthWatch::free_left() {
  std::erase_if(leaving_, [](const std::unique_ptr<Target>& target) {
    return !target->is_running && target->pool.is_empty();
  });
}

Task<void> HealthWatch::end() {
  for (auto& [name, target] : std::exchange(targets_, {})) leave(std::move(target));
  io::Timer pause(ring_.ready(), ring_.timers());
  for (free_left(); !leaving_.empty(); free_left()) {
    pause.set(Deadline::after(ring_.now(), kLeavePause));
    co_await io::first_of(&pause);
  }
}

}  // namespace sluice::control
