#include "figures.h"

#include <algorithm>

#include <sluice/json/writer.h>

namespace sluice::sim {
namespace {

int64_t nanoseconds(MonoTime time) noexcept { return time.time_since_epoch().count(); }

void write_abort(json::Writer& writer, const Abort& abort) {
  const auto since_last_byte =
      std::chrono::duration_cast<microseconds>(abort.gone - abort.last_sent);
  writer.begin_object().key("path").string(abort.path).key("model").string(abort.model);
  writer.key("phase").string(abort.phase);
  writer.key("events_sent").unsigned_integer(abort.events_sent);
  writer.key("last_sent_ns").integer(nanoseconds(abort.last_sent));
  writer.key("gone_ns").integer(nanoseconds(abort.gone));
  writer.key("since_last_byte_us").integer(since_last_byte.count()).end_object();
}

void write_outcomes(json::Writer& writer, const Tally& tally) {
  writer.key("outcomes").begin_object();
  for (const auto& [outcome, count] : tally.outcomes) writer.key(outcome).unsigned_integer(count);
  writer.end_object();
}

void write_tally(json::Writer& writer, std::string_view name, const Tally& tally) {
  const size_t space = std::min(name.find(' '), name.size());
  writer.begin_object().key("path").string(name.substr(0, space));
  writer.key("model").string(name.substr(std::min(space + 1, name.size())));
  writer.key("requests").unsigned_integer(tally.requests);
  write_outcomes(writer, tally);
  writer.end_object();
}

// One header line, or the request line.
std::string_view take_line(std::string_view& head) noexcept {
  const size_t end = std::min(head.find("\r\n"), head.size());
  const std::string_view line = head.substr(0, end);
  head.remove_prefix(std::min(end + 2, head.size()));
  return line;
}

}  // namespace

void Figures::begin_request() noexcept {
  const uint64_t now = in_flight_.fetch_add(1, std::memory_order_relaxed) + 1;
  uint64_t most = in_flight_most_.load(std::memory_order_relaxed);
  while (now > most && !in_flight_most_.compare_exchange_weak(most, now)) {
  }
}

void Figures::end_request(std::string_view path, std::string_view model, std::string_view outcome) {
  in_flight_.fetch_sub(1, std::memory_order_relaxed);
  std::string name(path);
  name.append(" ").append(model);
  const std::lock_guard lock(mutex_);
  auto found = tallies_.find(name);
  if (found == tallies_.end()) {
    if (tallies_.size() >= kTalliesMax) name = "other";
    found = tallies_.try_emplace(std::move(name)).first;
  }
  Tally& tally = found->second;
  ++tally.requests;
  auto counted = tally.outcomes.find(outcome);
  if (counted == tally.outcomes.end()) {
    counted = tally.outcomes.emplace(std::string(outcome), 0).first;
  }
  ++counted->second;
}

void Figures::forget_most() noexcept { in_flight_most_.store(in_flight_.load()); }

void Figures::add_abort(Abort abort) {
  const std::lock_guard lock(mutex_);
  aborts_.push_back(std::move(abort));
  if (aborts_.size() > kAbortsKept) aborts_.pop_front();
}

void Figures::keep_request(RecordedRequest request) {
  const std::lock_guard lock(mutex_);
  last_ = std::move(request);
}

std::string Figures::stats_json(MonoTime now) {
  uint64_t accepted = 0, closed = 0, requests = 0, ended = 0, aborted = 0, events = 0;
  for (const ShardFigures& shard : shards_) {
    // What ends is read before what begins, so that no difference is negative.
    closed += shard.connections_closed.load(std::memory_order_acquire);
    accepted += shard.connections_accepted.load(std::memory_order_acquire);
    ended += shard.requests_ended.load(std::memory_order_acquire);
    requests += shard.requests.load(std::memory_order_acquire);
    aborted += shard.aborted.load(std::memory_order_acquire);
    events += shard.events_sent.load(std::memory_order_acquire);
  }
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("now_ns").integer(nanoseconds(now));
  writer.key("connections_accepted").unsigned_integer(accepted);
  writer.key("connections_open").unsigned_integer(accepted - closed);
  writer.key("requests").unsigned_integer(requests);
  writer.key("requests_open").unsigned_integer(requests - ended);
  writer.key("events_sent").unsigned_integer(events);
  writer.key("aborted").unsigned_integer(aborted);
  writer.key("aborts").begin_array();
  const std::lock_guard lock(mutex_);
  for (const Abort& abort : aborts_) write_abort(writer, abort);
  writer.end_array();
  writer.key("in_flight").unsigned_integer(in_flight_.load());
  writer.key("in_flight_most").unsigned_integer(in_flight_most_.load());
  Tally sum;
  writer.key("tallies").begin_array();
  for (const auto& [name, tally] : tallies_) {
    write_tally(writer, name, tally);
    sum.requests += tally.requests;
    for (const auto& [outcome, count] : tally.outcomes) sum.outcomes[outcome] += count;
  }
  writer.end_array().key("answered").unsigned_integer(sum.requests);
  write_outcomes(writer, sum);
  writer.end_object();
  return out;
}

std::string Figures::last_request_json() {
  const std::lock_guard lock(mutex_);
  std::string out;
  if (last_.head.empty()) return out;
  std::string_view head = last_.head;
  json::Writer writer(out);
  writer.begin_object().key("request_line").string(take_line(head));
  writer.key("headers").begin_array();
  for (std::string_view line = take_line(head); !line.empty(); line = take_line(head)) {
    const size_t colon = std::min(line.find(':'), line.size());
    std::string_view value = line.substr(std::min(colon + 1, line.size()));
    while (value.starts_with(' ')) value.remove_prefix(1);
    writer.begin_array().string(line.substr(0, colon)).string(value).end_array();
  }
  writer.end_array().key("body").string(last_.body).end_object();
  return out;
}

}  // namespace sluice::sim
