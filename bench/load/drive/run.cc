#include "drive/run.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

namespace sluice::load {

void SignalOp::listen() noexcept {
  start({.code = io::OpCode::kRead, .fd = fd_, .address = &signal_, .length = sizeof signal_});
}

void SignalOp::complete(const io::KernelCompletion& completion, io::Buffer) noexcept {
  if (completion.result == -ECANCELED) return;
  ++count_;
  listen();
}

Run::Run(io::Ring& on, const Settings& settings, Workload workload, Tally& into,
         std::string_view expected_body, int signal_fd)
    : ClientOwner(on, into),
      settings_(settings),
      workload_(std::move(workload)),
      signals_(on, signal_fd),
      queue_(std::max(1u, settings.queue_max)),
      idle_(settings.connections) {
  reference = expected_body;
  stall = settings.stall;
  expects_events = settings.streams;
  if (settings.schedule && !workload_.has_trace()) {
    arrivals_.emplace(*settings.schedule, settings.is_poisson, settings.seed);
  }
  if (workload_.parts().size() > 1) tally.parts.resize(workload_.parts().size());
  for (uint32_t i = 0; i < settings.connections; ++i) {
    clients_.push_back(std::make_unique<Client>(*this, i));
  }
  unopened_ = settings.connections;
}

Run::~Run() {
  if (is_frozen_) ::kill(settings_.freeze.pid, SIGCONT);
}

void Run::live() {
  signals_.listen();
  if (open_all() && !is_stopping_) {
    begin_clock();
    while (!is_over()) {
      const MonoTime now = ring.clock().now();
      fire(now);
      turn();
    }
    is_running_ = false;
    drop_queue();
    end_ = ring.clock().now();
    tally.in_flight = 0;
    if (tally.timeline.has_unended() || end_ - next_tick_ > Duration::zero()) {
      tally.timeline.end_second(tally.running());
    }
    // Streams that began in time may end later; whole answers that do are too few to matter.
    if (!settings_.streams && !is_open_loop()) end_ = std::min(end_, stop_at_);
  }
  close_all();
}

void Run::turn() {
  const MonoTime due = next_due();
  const bool spins = settings_.spin > Duration::zero() && next_arrival_ &&
                     due - ring.clock().now() < settings_.spin;
  spins ? ring.turn(false) : ring.turn_until(due);
  if (signals_.count() > 1) std::_Exit(130);  // Whatever hangs is left.
  if (signals_.count() > 0 && !is_stopping_) {
    was_stopped_ = true;
    stop();
  }
}

// --- connections -------------------------------------------------------------------------------

bool Run::open_all() {
  next_sweep_ = ring.clock().now() + kSweepStep;
  next_tick_ = stop_at_ = give_up_at_ = begin_ = end_ = MonoTime::max();
  open_more();
  while (connecting_ > 0) {
    turn();
    if (ring.now() >= next_sweep_) sweep(ring.now());
  }
  begin_ = end_ = ring.clock().now();
  return open_ > 0;
}

void Run::open_more() {
  while (unopened_ > 0 && connecting_ < kConnectingMax && !is_stopping_) {
    connect(*clients_[clients_.size() - unopened_--]);
  }
}

void Run::connect(Client& client) {
  ++tally.connects;
  ++connecting_;
  client.is_proven = false;
  const std::string_view fault =
      client.connect(settings_.target.address, settings_.receive_bytes_max);
  if (fault.empty()) return;
  --connecting_;
  tally.fail(fault);
  if (is_running_) reconnects_.push_back({ring.now() + kRetryPause, client.index()});
}

void Run::on_connected(Client& client) noexcept {
  --connecting_;
  ++open_;
  client.is_connected = true;
  if (!is_running_) return open_more();
  offer(client);
}

void Run::on_closed(Client& client, std::string_view fault) noexcept {
  const bool was_connected = std::exchange(client.is_connected, false);
  was_connected ? --open_ : --connecting_;
  if (is_stopping_) return;
  if (!fault.empty()) {
    // Each try that failed is a request that could not be made.
    tally.fail(fault);
    if (!is_open_loop()) {
      ++issued_;
      if (++client.done == settings_.per_connection) ++satisfied_;
    }
  }
  if (!is_running_) {
    if (was_connected) reconnects_.push_back({ring.now(), client.index()});
    return open_more();
  }
  if (!is_open_loop() && !wants_more(client)) return;
  // A server that turns connections away must not be asked in a busy loop.
  if (client.is_proven) {
    connect(client);
  } else {
    reconnects_.push_back({ring.now() + kRetryPause, client.index()});
  }
}

void Run::close_all() {
  is_stopping_ = true;
  for (const auto& client : clients_) client->cut({});
  signals_.cancel();
  while (open_ > 0 || connecting_ > 0 || signals_.is_in_flight()) ring.turn();
}

// --- what is due -------------------------------------------------------------------------------

void Run::begin_clock() {
  started_ = ring.clock().now();
  begin_ = started_ + settings_.warm_up;
  const bool has_end = settings_.duration > Duration::zero();
  stop_at_ = has_end ? begin_ + settings_.duration : MonoTime::max();
  give_up_at_ = has_end ? stop_at_ + settings_.finish : MonoTime::max();
  next_tick_ = begin_ + seconds(1);
  if (settings_.freeze.pid > 0) next_freeze_ = begin_ + settings_.freeze.at;
  is_running_ = true;
  const auto count = static_cast<uint32_t>(clients_.size());
  for (uint32_t i = 0; i < count; ++i) {
    Client& client = *clients_[i];
    if (client.state() == Client::State::kClosed) {
      if (wants_more(client)) reconnects_.push_back({started_ + kRetryPause, i});
    } else if (is_open_loop()) {
      offer(client);
    }
  }
  if (is_open_loop()) find_next_arrival();
}

MonoTime Run::start_of(uint32_t client) const noexcept {
  return started_ + Duration(settings_.spread.count() * client / settings_.connections);
}

MonoTime Run::next_due() const noexcept {
  MonoTime due = std::min({next_sweep_, next_tick_, next_freeze_, give_up_at_});
  if (ring.now() < stop_at_) due = std::min(due, stop_at_);
  if (next_arrival_) due = std::min(due, next_arrival_->at);
  if (!reconnects_.empty()) due = std::min(due, reconnects_.front().at);
  if (is_running_ && !is_open_loop() && next_start_ < clients_.size()) {
    due = std::min(due, start_of(next_start_));
  }
  return due;
}

void Run::fire(MonoTime now) {
  if (now >= next_sweep_) sweep(now);
  if (now >= next_tick_) tick(now);
  if (now >= next_freeze_) freeze_or_thaw(now);
  if (now >= give_up_at_ && !is_stopping_) stop();
  while (!reconnects_.empty() && reconnects_.front().at <= now && !is_stopping_) {
    Client& client = *clients_[reconnects_.front().index];
    reconnects_.pop_front();
    if (client.state() == Client::State::kClosed) connect(client);
  }
  if (is_open_loop()) return fire_arrivals(now);
  while (next_start_ < clients_.size()) {
    const MonoTime start = start_of(next_start_);
    if (start > now) break;
    Client& client = *clients_[next_start_++];
    if (client.state() == Client::State::kIdle && wants_more(client)) {
      begin(client, {start, issued_}, false);
    }
  }
}

void Run::find_next_arrival() {
  const std::optional<Duration> next =
      workload_.has_trace() ? workload_.due(arrived_) : arrivals_->next();
  const bool is_within = next && started_ + *next < stop_at_ &&
                         (settings_.requests == 0 || arrived_ < settings_.requests);
  if (!is_within || is_stopping_) {
    next_arrival_.reset();
    return;
  }
  next_arrival_ = Due{started_ + *next, arrived_++};
}

void Run::fire_arrivals(MonoTime now) {
  while (next_arrival_ && next_arrival_->at <= now) {
    arrive(*next_arrival_);
    find_next_arrival();
  }
}

void Run::arrive(const Due& due) {
  while (!idle_.empty()) {
    Client& client = *clients_[idle_.pop()];
    client.is_listed = false;
    if (client.state() == Client::State::kIdle) return begin(client, due, true);
  }
  if (queue_.size() < settings_.queue_max && queue_.push(Due(due))) {
    tally.queued_most = std::max<uint64_t>(tally.queued_most, queue_.size());
  } else if (due.at >= begin_) {
    ++tally.not_sent;
  }
}

void Run::sweep(MonoTime now) {
  next_sweep_ = now + kSweepStep;
  for (const auto& client : clients_) {
    const Client::State state = client->state();
    const bool waits = state == Client::State::kBusy || state == Client::State::kConnecting;
    if (!waits || now - client->moved() < settings_.timeout) continue;
    client->cut(state == Client::State::kBusy ? "no byte moved within the timeout"
                                              : "connect timed out");
  }
}

void Run::tick(MonoTime) {
  next_tick_ += seconds(1);
  tally.timeline.end_second(tally.running());
  if (settings_.shows_progress) print_progress();
}

void Run::freeze_or_thaw(MonoTime) {
  ::kill(settings_.freeze.pid, is_frozen_ ? SIGCONT : SIGSTOP);
  next_freeze_ = is_frozen_ ? MonoTime::max() : next_freeze_ + settings_.freeze.length;
  is_frozen_ = !is_frozen_;
}

// --- single requests ---------------------------------------------------------------------------

bool Run::wants_more(const Client& client) const noexcept {
  if (is_stopping_ || ring.now() >= stop_at_) return false;
  if (is_open_loop()) return true;
  if (settings_.per_connection > 0 && client.done >= settings_.per_connection) return false;
  return settings_.requests == 0 || issued_ < settings_.requests;
}

void Run::offer(Client& client) noexcept {
  if (is_open_loop()) {
    if (!queue_.empty()) return begin(client, queue_.pop(), false);
    if (std::exchange(client.is_listed, true)) return;
    const bool has_place = idle_.push(client.index());
    SLUICE_ASSERT(has_place);
    return;
  }
  if (client.index() >= next_start_ || !wants_more(client)) return;
  begin(client, {ring.clock().now(), issued_}, false);
}

void Run::begin(Client& client, const Due& due, bool is_punctual) noexcept {
  ++issued_;
  ++tally.in_flight;
  const bool counts = due.at >= begin_;
  client.is_punctual = is_punctual && counts;
  const Request request = workload_.request(due.index, client.scratch());
  if (counts) {
    ++tally.started;
    if (!tally.parts.empty()) ++tally.parts[request.part].started;
  }
  client.start(request, due.at, counts);
}

void Run::on_sent(Client& client) noexcept {
  if (client.is_punctual) tally.send_lag.record(ring.now() - client.intended());
}

void Run::on_answer(Client& client, const Outcome& outcome) noexcept {
  --tally.in_flight;
  client.is_proven = outcome.status != 0;
  if (++client.done == settings_.per_connection) ++satisfied_;
  if (client.counts()) settle(client, outcome);
  if (client.state() == Client::State::kIdle) offer(client);
}

void Run::settle(Client& client, const Outcome& outcome) noexcept {
  PartTally* part = tally.parts.empty() ? nullptr : &tally.parts[client.part()];
  if (outcome.has_left) {
    ++tally.left;
    if (departures_.size() < kDeparturesMax) departures_.push_back(outcome.at);
  } else if (was_stopped_) {
    ++tally.interrupted;
  } else if (is_stopping_) {
    tally.fail("not finished in time");
    if (part != nullptr) ++part->failed;
  } else if (outcome.fault.empty()) {
    const Duration latency = outcome.at - client.intended();
    ++tally.completed;
    tally.latency.record(latency);
    if (!settings_.streams) tally.timeline.record(latency);
    if (part != nullptr) {
      ++part->completed;
      part->latency.record(latency);
    }
  } else {
    outcome.fault == "status" ? tally.fail(fmt::format("status {}", outcome.status))
                              : tally.fail(outcome.fault);
    if (part != nullptr) ++part->failed;
  }
}

bool Run::is_over() noexcept {
  if (is_stopping_) return true;
  if (tally.in_flight > 0) return false;
  if (is_open_loop()) {
    if (next_arrival_ && ring.now() < stop_at_) return false;
    return queue_.empty() || open_ == 0;
  }
  if (ring.now() >= stop_at_) return true;
  if (settings_.requests > 0 && issued_ >= settings_.requests) return true;
  return settings_.per_connection > 0 && satisfied_ >= clients_.size();
}

void Run::drop_queue() noexcept {
  while (!queue_.empty()) tally.not_sent += queue_.pop().at >= begin_;
}

void Run::stop() noexcept {
  is_stopping_ = true;
  for (const auto& client : clients_) client->cut({});
}

void Run::print_progress() {
  if (tally.timeline.seconds().empty()) return;
  const TimelineSecond& last = tally.timeline.seconds().back();
  const std::string line = fmt::format(
      "\r{:>4} s  {:>7} done/s  {:>8} events/s  {:>6} in flight  {:>5} waiting  {:>6} failed  "
      "{:>6} not sent  p99 {:.1f} us   ",
      tally.timeline.seconds().size(), last.counts.completed, last.counts.events,
      last.counts.in_flight, queue_.size(), tally.failed, tally.not_sent,
      static_cast<double>(last.p99.count()) / 1000);
  std::fputs(line.c_str(), stderr);
}

}  // namespace sluice::load
