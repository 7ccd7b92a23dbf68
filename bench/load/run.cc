#include "run.h"

#include <cstdio>
#include <cstdlib>

#include "event_reader.h"

namespace sluice::load {

Run::Run(io::Ring& ring, Settings settings, int signal_fd)
    : ring_(ring),
      settings_(std::move(settings)),
      signal_fd_(signal_fd),
      request_(render_request(settings_, settings_.target.url)),
      gate_(ring.ready()) {}

Task<void> Run::live() {
  io::Op signal(ring_);
  io::Timer tick(ring_.ready(), ring_.timers());
  signal.read(signal_fd_, &signal_, sizeof signal_);
  if (settings_.reference_target) {
    const Result<void> read = co_await read_reference(*settings_.reference_target);
    if (!read) obstacle_ = "the reference: " + std::string(read.error().detail);
  }
  started_ = ring_.clock().now();
  begin_ = started_ + settings_.warm_up;
  const bool has_end = settings_.duration > Duration::zero();
  stop_at_ = has_end ? begin_ + settings_.duration : MonoTime::max();
  const MonoTime give_up_at = has_end ? stop_at_ + kFinishMax : MonoTime::max();
  if (obstacle_.empty()) start_all();
  MonoTime next_tick = started_;
  while (gate_.inside() > 0) {
    next_tick += seconds(1);
    tick.set(Deadline{next_tick});
    gate_.emptied().reset();
    co_await io::first_of(&gate_.emptied(), &tick, &signal);
    if (signal.is_ready()) {
      if (is_stopping_) std::_Exit(130);  // The second one: whatever hangs is left.
      stop();
      signal.read(signal_fd_, &signal_, sizeof signal_);
    }
    if (tick.is_ready() && settings_.shows_progress) print_progress();
    if (ring_.now() >= give_up_at && !is_stopping_) stop();
    if (!tick.is_ready()) next_tick -= seconds(1);
  }
  tick.clear();
  end_ = ring_.clock().now();
  if (has_end && end_ > stop_at_ && settings_.mode == Mode::kUnary) end_ = stop_at_;
  signal.cancel();
  while (!signal.is_ready()) co_await io::first_of(&signal);
  ring_.stop();
}

void Run::start_all() {
  switch (settings_.mode) {
    case Mode::kSlowReader: return io::start_detached(read_slowly());
    case Mode::kAbort: return io::start_detached(leave_on());
    case Mode::kStreams:
      for (uint32_t i = 0; i < settings_.connections; ++i) io::start_detached(stream_on({i}));
      return;
    case Mode::kUnary:
      for (uint32_t i = 0; i < settings_.connections; ++i) io::start_detached(ask_on({i}));
      return;
  }
}

void Run::stop() noexcept {
  is_stopping_ = true;
  connections_.for_each([](Connection& connection) { connection.interrupt(); });
}

bool Run::wants_more(const Place& place) const noexcept {
  if (is_stopping_) return false;
  if (settings_.per_connection > 0 && place.done >= settings_.per_connection) return false;
  return ring_.now() < stop_at_;
}

MonoTime Run::first_start(const Place& place) const noexcept {
  return started_ + settings_.spread * place.index / settings_.connections;
}

void Run::settle(const Result<void>& outcome) {
  --tally_.in_flight;
  if (outcome) {
    ++tally_.completed;
  } else if (is_stopping_) {
    ++tally_.interrupted;
  } else {
    tally_.fail(outcome.error().detail);
  }
}

Task<bool> Run::make_ready(Connection& connection) {
  if (connection.is_open()) co_return true;
  ++tally_.connects;
  const Result<void> opened =
      co_await connection.open(settings_.target.address, settings_.receive_bytes_max);
  if (opened) co_return true;
  if (!is_stopping_) tally_.fail(opened.error().detail);
  // A target that refuses must not be asked in a busy loop.
  co_await connection.wait_until(ring_.now() + milliseconds(100));
  co_return false;
}

// --- streams ---------------------------------------------------------------------------------

Task<void> Run::stream_on(Place place) {
  const shard::Gate::Pass pass = gate_.enter();
  Connection connection(ring_, settings_.timeout);
  connections_.push_back(connection);
  EventReader reader(tally_, settings_.reference);
  co_await connection.wait_until(first_start(place));
  while (wants_more(place)) {
    ++place.done;
    const bool is_ready = co_await make_ready(connection);
    if (!is_ready) continue;
    ++tally_.started;
    ++tally_.in_flight;
    const Result<void> outcome = co_await stream_once(connection, reader);
    settle(outcome);
    if (!outcome || !connection.can_reuse()) co_await connection.close();
  }
  co_await connection.close();
}

Task<Result<void>> Run::stream_once(Connection& connection, EventReader& reader) {
  const MonoTime sent_at = connection.now();
  const Result<void> sent = co_await connection.send(request_);
  if (!sent) co_return sent;
  const Result<const http::ResponseHead*> head = co_await connection.read_head();
  if (!head) co_return std::unexpected(head.error());
  const uint16_t status = (*head)->status;
  reader.begin(sent_at);
  for (;;) {
    const Result<std::string_view> span = co_await connection.read_body();
    if (!span) co_return std::unexpected(span.error());
    if (span->empty()) break;
    if (status == 200) reader.take(*span, connection.now());
  }
  tally_.latency.record(connection.now() - sent_at);
  if (status != 200) {
    co_return fail(ErrorCode::kUpstreamStatus, Side::kUpstream, "status is not 200");
  }
  if (!reader.has_done()) ++tally_.without_done;
  if (reader.differs()) ++tally_.differing;
  const std::string_view verdict = reader.verdict();
  if (!verdict.empty()) co_return fail(ErrorCode::kUpstreamProtocol, Side::kUpstream, verdict);
  if (!settings_.reference.empty()) ++tally_.identical;
  co_return Result<void>();
}

Task<Result<void>> Run::read_reference(Target target) {
  Connection connection(ring_, settings_.timeout);
  const std::string request = render_request(settings_, target.url);
  Result<void> outcome = co_await connection.open(target.address, settings_.receive_bytes_max);
  if (outcome) outcome = co_await connection.send(request);
  if (outcome) {
    const Result<const http::ResponseHead*> head = co_await connection.read_head();
    if (!head) outcome = std::unexpected(head.error());
    if (head && (*head)->status != 200) {
      outcome = fail(ErrorCode::kUpstreamStatus, Side::kUpstream, "status is not 200");
    }
  }
  while (outcome) {
    const Result<std::string_view> span = co_await connection.read_body();
    if (!span) outcome = std::unexpected(span.error());
    if (!span || span->empty()) break;
    settings_.reference += *span;
  }
  if (outcome && settings_.reference.empty()) {
    outcome = fail(ErrorCode::kUpstreamProtocol, Side::kUpstream, "an empty body");
  }
  co_await connection.close();
  co_return outcome;
}

// --- unary -----------------------------------------------------------------------------------

Task<void> Run::ask_on(Place place) {
  const shard::Gate::Pass pass = gate_.enter();
  Connection connection(ring_, settings_.timeout);
  connections_.push_back(connection);
  while (wants_more(place)) {
    ++place.done;
    const bool is_ready = co_await make_ready(connection);
    if (!is_ready) continue;
    const bool counts = is_warm();
    if (counts) ++tally_.started;
    ++tally_.in_flight;
    const MonoTime sent_at = connection.now();
    const Result<void> outcome = co_await ask_once(connection);
    if (counts) {
      if (outcome) tally_.latency.record(connection.now() - sent_at);
      settle(outcome);
    } else {
      --tally_.in_flight;
    }
    if (!outcome || !connection.can_reuse()) co_await connection.close();
  }
  co_await connection.close();
}

Task<Result<void>> Run::ask_once(Connection& connection) {
  const Result<void> sent = co_await connection.send(request_);
  if (!sent) co_return sent;
  const Result<const http::ResponseHead*> head = co_await connection.read_head();
  if (!head) co_return std::unexpected(head.error());
  const uint16_t status = (*head)->status;
  for (;;) {
    const Result<std::string_view> span = co_await connection.read_body();
    if (!span) co_return std::unexpected(span.error());
    if (span->empty()) break;
    tally_.bytes += span->size();
  }
  if (status != 200) {
    co_return fail(ErrorCode::kUpstreamStatus, Side::kUpstream, "status is not 200");
  }
  co_return Result<void>();
}

void Run::print_progress() {
  const uint64_t completed = tally_.completed - completed_before_;
  const uint64_t events = tally_.events - events_before_;
  completed_before_ = tally_.completed;
  events_before_ = tally_.events;
  const LatencyHistogram& shown = tally_.delay.count() > 0 ? tally_.delay
                                  : tally_.gap.count() > 0 ? tally_.gap
                                                           : tally_.latency;
  const auto p99_us = std::chrono::duration_cast<microseconds>(shown.quantile(0.99)).count();
  const auto elapsed = std::chrono::duration_cast<seconds>(ring_.now() - started_).count();
  std::fprintf(stderr,
               "\r%4lld s  %8llu done/s  %8llu events/s  %6llu in flight  %6llu failed  p99 "
               "%lld us   ",
               static_cast<long long>(elapsed), static_cast<unsigned long long>(completed),
               static_cast<unsigned long long>(events),
               static_cast<unsigned long long>(tally_.in_flight),
               static_cast<unsigned long long>(tally_.failed), static_cast<long long>(p99_us));
}

}  // namespace sluice::load
