#include <sluice/control/drain.h>

namespace sluice::control {

std::optional<upstream::DrainCommand> Drain::begin(MonoTime now, Duration timeout) {
  if (has_begun()) return std::nullopt;
  stage_ = Stage::kWaiting;
  next_ = Deadline{now + timeout};  // Zero cuts at once; it does not mean "never" here.
  return upstream::BeginDrain{};
}

std::optional<upstream::DrainCommand> Drain::advance(MonoTime now) {
  if (!next_.has_passed(now)) return std::nullopt;
  switch (stage_) {
    case Stage::kWaiting:
      stage_ = Stage::kCutting;
      next_ = Deadline{now + kCutTime};
      return upstream::CutStreams{};
    case Stage::kCutting:
      stage_ = Stage::kKilling;
      next_ = Deadline{now + kKillTime};
      return upstream::KillStreams{};
    case Stage::kKilling:
      stage_ = Stage::kStuck;
      next_ = Deadline::never();
      return std::nullopt;
    case Stage::kServing:
    case Stage::kDrained:
    case Stage::kStuck: return std::nullopt;
  }
  return std::nullopt;
}

void Drain::on_drained(ShardId shard) noexcept {
  if (drained_[shard.value]) return;
  drained_[shard.value] = true;
  if (--left_ > 0) return;
  stage_ = Stage::kDrained;
  next_ = Deadline::never();
}

}  // namespace sluice::control
