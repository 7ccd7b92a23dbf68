#include "figures.h"

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

// One header line, or the request line.
std::string_view take_line(std::string_view& head) noexcept {
  const size_t end = std::min(head.find("\r\n"), head.size());
  const std::string_view line = head.substr(0, end);
  head.remove_prefix(std::min(end + 2, head.size()));
  return line;
}

}  // namespace

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
  writer.end_array().end_object();
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
