// The half of Run that does what clients should not: read slowly, and leave.
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "run.h"

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

Task<void> Run::read_slowly() {
  const shard::Gate::Pass pass = gate_.enter();
  Connection connection(ring_, settings_.timeout);
  connections_.push_back(connection);
  const bool is_ready = co_await make_ready(connection);
  if (!is_ready) co_return;
  ++tally_.started;
  ++tally_.in_flight;
  Result<void> outcome = co_await connection.send(request_);
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

Task<void> Run::leave_on() {
  const shard::Gate::Pass pass = gate_.enter();
  Connection stats(ring_, settings_.timeout);
  connections_.push_back(stats);
  Place place{0};
  while (wants_more(place)) {
    ++place.done;
    ++tally_.started;
    ++tally_.in_flight;
    const Result<void> outcome = co_await leave_once(place.done, stats);
    settle(outcome);
  }
  co_await stats.close();
}

Task<Result<void>> Run::leave_once(uint64_t round, Connection& stats) {
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
Task<Result<void>> Run::leave_gateway(Connection& connection) {
  if (settings_.phase == Phase::kBody) {
    const std::string_view part =
        std::string_view(request_).substr(0, request_.size() - settings_.body.size() / 2);
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

Task<Result<void>> Run::leave_answer(Connection& connection, uint64_t round, Connection& stats) {
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

Task<Result<std::string>> Run::fetch_stats(Connection& connection) {
  const Target& target = settings_.stats ? *settings_.stats : settings_.target;
  if (!connection.is_open()) {
    const Result<void> opened =
        co_await connection.open(target.address, settings_.receive_bytes_max);
    if (!opened) co_return std::unexpected(opened.error());
  }
  const std::string request =
      "GET /sim/stats HTTP/1.1\r\nhost: " + target.url.authority + "\r\n\r\n";
  const Result<void> sent = co_await connection.send(request);
  if (!sent) co_return std::unexpected(sent.error());
  const Result<const http::ResponseHead*> head = co_await connection.read_head();
  if (!head) co_return std::unexpected(head.error());
  std::string body;
  for (;;) {
    const Result<std::string_view> span = co_await connection.read_body();
    if (!span) co_return std::unexpected(span.error());
    if (span->empty()) break;
    body += *span;
  }
  co_return body;
}

}  // namespace sluice::load
