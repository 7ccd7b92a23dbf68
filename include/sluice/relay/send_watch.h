// Watching one send to a client to its end.
#pragma once

#include <sluice/base/clock.h>
#include <sluice/http/response_sink.h>
#include <sluice/io/ring.h>
#include <sluice/io/timer.h>
#include <sluice/relay/relay.h>

namespace sluice::relay {

// For the last send of an answer: a client that has left, or takes no byte for `stall_max`, is cut;
// the shard's order to end is not heard, because this is the end.
//
//     sink.send(slices);
//     SendWatch watch(ring, sink, stall_max);
//     while (!watch.is_over()) co_await watch.step();
//
// `ring` and `sink` must outlive it.
class SendWatch {
 public:
  SendWatch(io::Ring& ring, http::ResponseSink& sink, Duration stall_max) noexcept;

  // Takes in what has happened. True once the send has ended: nothing is in flight.
  [[nodiscard]] bool is_over() noexcept;
  // What is_over() is to be asked after.
  [[nodiscard]] auto step() noexcept {
    io::Event& interrupted = sink_.interrupted();
    return io::first_of(&sink_.sent(), interrupted.is_ready() ? nullptr : &interrupted, &timer_);
  }

  // kFinished, kDownstreamLost or kDownstreamStalled.
  [[nodiscard]] RelayEnd end() const noexcept { return end_; }
  // When the client was cut.
  [[nodiscard]] MonoTime gone_at() const noexcept { return gone_at_; }

 private:
  void cut(RelayEnd end) noexcept;

  io::Ring& ring_;
  http::ResponseSink& sink_;
  Duration stall_max_;
  io::Timer timer_;
  uint64_t acknowledged_ = 0;
  RelayEnd end_ = RelayEnd::kFinished;
  MonoTime gone_at_ = MonoTime::max();
};

}  // namespace sluice::relay
