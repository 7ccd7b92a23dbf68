#include "drive/solo.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "drive/fetch.h"

namespace sluice::load {
namespace {

constexpr Duration kPollStep = milliseconds(2);
constexpr Duration kDetectionMax = seconds(10);
constexpr Duration kSettleIn = milliseconds(30);  // Until a request surely waits upstream.

// The number behind the last `key` in `json`.
std::optional<int64_t> last_number(std::string_view json, std::string_view key) {
  const size_t at = json.rfind(key);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view text = json.substr(at + key.size());
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

Unexpected strange_stats() noexcept {
  return fail(ErrorCode::kUpstreamProtocol, Side::kUpstream, "/sim/stats is not understood");
}

}  // namespace

SoloRun::SoloRun(io::Ring& ring, const Settings& settings, std::string request, size_t body_bytes,
                 Tally& tally, int signal_fd)
    : ring_(ring),
      settings_(settings),
      request_(std::move(request)),
      body_bytes_(body_bytes),
      tally_(tally),
      signal_fd_(signal_fd),
      gate_(ring.ready()) {}

Task<void> SoloRun::live() {
  io::Op signal(ring_);
  signal.read(signal_fd_, &signal_, sizeof signal_);
  begin_ = ring_.clock().now();
  const bool has_end = settings_.duration > Duration::zero();
  stop_at_ = has_end ? begin_ + settings_.duration : MonoTime::max();
  io::start_detached(settings_.mode == Mode::kSlowReader ? read_slowly() : leave_on());
  while (gate_.inside() > 0) {
    gate_.emptied().reset();
    co_await io::first_of(&gate_.emptied(), &signal);
    if (!signal.is_ready()) continue;
    if (is_stopping_) std::_Exit(130);  // The second one: whatever hangs is left.
    stop();
    signal.read(signal_fd_, &signal_, sizeof signal_);
  }
  end_ = ring_.clock().now();
  signal.cancel();
  while (!signal.is_ready()) co_await io::first_of(&signal);
  ring_.stop();
}

void SoloRun::stop() noexcept {
  is_stopping_ = true;
  connections_.for_each([](Connection& connection) { connection.interrupt(); });
}

bool SoloRun::wants_more(uint64_t done) const noexcept {
  if (is_stopping_) return false;
  if (settings_.per_connection > 0 && done >= settings_.per_connection) return false;
  return ring_.now() < stop_at_;
}

void SoloRun::settle(const Result<void>& outcome) {
  --tally_.in_flight;
  if (outcome) {
    ++tally_.completed;
  } else if (is_stopping_) {
    ++tally_.interrupted;
  } else {
    tally_.fail(outcome.error().detail);
  }
}

Task<void> SoloRun::read_slowly() {
  const shard::Gate::Pass pass = gate_.enter();
  Connection connection(ring_, settings_.timeout);
  connections_.push_back(connection);
  ++tally_.connects;
  ++tally_.started;
  ++tally_.in_flight;
  Result<void> outcome =
      co_await connection.open(settings_.target.address, settings_.receive_bytes_max);
  if (outcome) outcome = co_await connection.send(request_);
  const MonoTime began = ring_.now();
  std::array<char, 64 * 1024> bytes;
  const uint64_t step_bytes =
      std::clamp<uint64_t>(settings_.bytes_per_second / 10, 1, bytes.size());
  const auto step = Duration(seconds(1)) * step_bytes / settings_.bytes_per_second;
  for (uint64_t i = 1; outcome && ring_.now() < stop_at_ && !is_stopping_; ++i) {
    const Result<uint32_t> count =
        co_await connection.read_raw(bytes.data(), static_cast<uint32_t>(step_bytes));
    if (!count) outcome = std::unexpected(count.error());
    if (!count || *count == 0) break;
    tally_.bytes += *count;
    co_await connection.wait_until(began + step * i);
  }
  settle(outcome);
  co_await connection.close();
}

Task<void> SoloRun::leave_on() {
  const shard::Gate::Pass pass = gate_.enter();
  Connection stats(ring_, settings_.timeout);
  connections_.push_back(stats);
  for (uint64_t done = 0; wants_more(done); ++done) {
    ++tally_.started;
    ++tally_.in_flight;
    const Result<void> outcome = co_await leave_once(done + 1, stats);
    settle(outcome);
  }
  co_await stats.close();
}

Task<Result<void>> SoloRun::leave_once(uint64_t round, Connection& stats) {
  Connection connection(ring_, settings_.timeout);
  connections_.push_back(connection);
  ++tally_.connects;
  Result<void> outcome =
      co_await connection.open(settings_.target.address, settings_.receive_bytes_max);
  const bool is_early = settings_.phase == Phase::kConnect || settings_.phase == Phase::kBody;
  if (outcome && is_early) outcome = co_await leave_gateway(connection);
  if (outcome && !is_early) outcome = co_await leave_answer(connection, round, stats);
  co_await connection.close();
  co_return outcome;
}

// Nothing has gone upstream yet, so it is the gateway's own closing that is timed.
Task<Result<void>> SoloRun::leave_gateway(Connection& connection) {
  if (settings_.phase == Phase::kBody) {
    const std::string_view part =
        std::string_view(request_).substr(0, request_.size() - body_bytes_ / 2);
    const Result<void> sent = co_await connection.send(part);
    if (!sent) co_return sent;
  }
  co_await connection.wait_until(ring_.now() + kSettleIn);
  const MonoTime left_at = connection.now();
  connection.leave(true);
  const Result<void> closed = co_await connection.read_to_end();
  // A reset is an end too: the gateway may close on bytes it has not read.
  const bool is_closed = closed || closed.error().code == ErrorCode::kUpstreamLost;
  if (is_closed) tally_.detection.record(connection.now() - left_at);
  co_return is_closed ? Result<void>() : closed;
}

Task<Result<void>> SoloRun::leave_answer(Connection& connection, uint64_t round,
                                         Connection& stats) {
  Result<std::string> figures = co_await fetch_stats(stats);
  if (!figures) co_return std::unexpected(figures.error());
  const std::optional<int64_t> before = last_number(*figures, R"("aborted":)");
  if (!before) co_return strange_stats();
  const Result<void> sent = co_await connection.send(request_);
  if (!sent) co_return sent;
  if (settings_.phase == Phase::kStreaming) {
    const Result<const http::ResponseHead*> head = co_await connection.read_head();
    if (!head) co_return std::unexpected(head.error());
    const Result<std::string_view> span = co_await connection.read_body();
    if (!span) co_return std::unexpected(span.error());
  }
  // Not always at the same point between two events.
  co_await connection.wait_until(ring_.now() + kSettleIn + milliseconds(round * 7 % 20));
  const MonoTime left_at = connection.now();
  connection.leave(false);
  while (connection.now() < left_at + kDetectionMax && !is_stopping_) {
    co_await stats.wait_until(ring_.now() + kPollStep);
    figures = co_await fetch_stats(stats);
    if (!figures) co_return std::unexpected(figures.error());
    if (last_number(*figures, R"("aborted":)").value_or(*before) == *before) continue;
    const std::optional<int64_t> gone_ns = last_number(*figures, R"("gone_ns":)");
    if (!gone_ns) co_return strange_stats();
    tally_.detection.record(MonoTime(Duration(*gone_ns)) - left_at);
    co_return Result<void>();
  }
  co_return fail(ErrorCode::kUpstreamStalled, Side::kUpstream, "the upstream was not closed");
}

Task<Result<std::string>> SoloRun::fetch_stats(Connection& connection) {
  const Target& target = settings_.stats ? *settings_.stats : settings_.target;
  const std::string request = render_stats_request(target.url);
  Result<std::string> body = co_await fetch_body(connection, target.address, request);
  co_return body;
}

std::string render_stats_request(const Url& url) {
  return "GET /sim/stats HTTP/1.1\r\nhost: " + url.authority + "\r\n\r\n";
}

}  // namespace sluice::load
