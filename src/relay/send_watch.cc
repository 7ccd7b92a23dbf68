#include <sluice/relay/send_watch.h>

#include <sluice/base/deadline.h>

namespace sluice::relay {

SendWatch::SendWatch(io::Ring& ring, http::ResponseSink& sink, Duration stall_max) noexcept
    : ring_(ring), sink_(sink), stall_max_(stall_max), timer_(ring.ready(), ring.timers()) {
  timer_.set(Deadline::after(ring.now(), stall_max));
}

bool SendWatch::is_over() noexcept {
  if (sink_.sent().is_ready()) {
    if (!sink_.take_sent() && end_ == RelayEnd::kFinished) cut(RelayEnd::kDownstreamLost);
    return true;
  }
  if (sink_.interrupted().is_ready() && sink_.interruption() != ErrorCode::kDraining) {
    cut(RelayEnd::kDownstreamLost);
  }
  if (timer_.is_ready()) {
    // A send reports only its end; whether the client takes anything at all, its host's ACKs say.
    const uint64_t acknowledged = sink_.bytes_acknowledged();
    if (acknowledged <= acknowledged_) {
      cut(RelayEnd::kDownstreamStalled);
    } else {
      acknowledged_ = acknowledged;
      timer_.set(Deadline::after(ring_.now(), stall_max_));
    }
  }
  return false;
}

void SendWatch::cut(RelayEnd end) noexcept {
  if (end_ != RelayEnd::kFinished) return;
  end_ = end;
  gone_at_ = ring_.now();
  timer_.clear();
  sink_.abort();
}

}  // namespace sluice::relay
