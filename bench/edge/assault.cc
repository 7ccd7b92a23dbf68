#include "assault.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace sluice::edge {
namespace {

constexpr Duration kTellStep = seconds(1);

}  // namespace

Assault::Assault(io::Ring& on, const Attack& what, const AssaultSettings& settings, int stop_fd)
    : AttackerOwner(on, what), settings_(settings), stop_fd_(stop_fd) {
  const uint32_t count = settings.connections + (what.gives_way ? kClosingMax : 0);
  for (uint32_t i = 0; i < count; ++i) {
    attackers_.push_back(std::make_unique<Attacker>(*this));
    free_.push_back(attackers_.back().get());
  }
}

void Assault::on_waits(Attacker& attacker) noexcept {
  waiting_.push_back({ring.now() + attack.step, &attacker, attacker.life()});
}

void Assault::on_closed(Attacker& attacker) noexcept {
  attacker.unlink();
  free_.push_back(&attacker);
  --used_;
}

void Assault::open_one() {
  Attacker& attacker = *free_.back();
  free_.pop_back();
  ++used_;
  running_.push_back(attacker);
  attacker.connect(settings_.sources[begun_++ % settings_.sources.size()], settings_.target);
}

void Assault::open_what_is_due(MonoTime now) {
  credit_ += seconds_of(now - filled_) * settings_.rate;
  filled_ = now;
  for (uint32_t i = 0; i < kBurstMax && credit_ >= 1; ++i) {
    const bool is_full = used_ >= settings_.connections;
    if (free_.empty() || (is_full && !attack.gives_way)) break;
    if (is_full) {
      Attacker* oldest = running_.pop_front();
      if (oldest != nullptr) oldest->leave("left");
    }
    open_one();
    credit_ -= 1;
  }
  // What could not be begun is not made up for: a rate is the most.
  credit_ = std::min(credit_, static_cast<double>(kBurstMax));
}

void Assault::step_who_waited(MonoTime now) {
  while (!waiting_.empty() && waiting_.front().due <= now) {
    const Waiting next = waiting_.front();
    waiting_.pop_front();
    next.attacker->step(next.life);
  }
}

void Assault::tell(MonoTime now) {
  if (now < next_told_) return;
  next_told_ = now + kTellStep;
  if (!settings_.shows_progress) return;
  std::fprintf(stderr, "%s\n", outcomes.line(attack.name, now - begin_).c_str());
}

MonoTime Assault::next_due() const noexcept {
  MonoTime due = std::min(next_told_, begin_ + settings_.length);
  if (!waiting_.empty()) due = std::min(due, waiting_.front().due);
  const bool may_open = !free_.empty() && (used_ < settings_.connections || attack.gives_way);
  if (!may_open) return due;
  const double missing = std::max(0.0, 1 - credit_) / settings_.rate;
  return std::min(due, filled_ + Duration(static_cast<int64_t>(missing * 1e9)));
}

bool Assault::is_stopped() const noexcept {
  signalfd_siginfo signal{};
  return ::read(stop_fd_, &signal, sizeof signal) > 0;
}

void Assault::live() {
  begin_ = filled_ = next_told_ = ring.clock().now();
  const MonoTime last = begin_ + settings_.length;
  for (MonoTime now = begin_; now < last && !is_stopped(); now = ring.clock().now()) {
    open_what_is_due(now);
    step_who_waited(now);
    tell(now);
    ring.turn_until(next_due());
  }
  end_ = ring.clock().now();
  end_all();
}

void Assault::end_all() {
  for (const auto& attacker : attackers_) attacker->leave("open at the end");
  const MonoTime latest = end_ + kCloseMax;
  while (used_ > 0 && ring.clock().now() < latest) ring.turn_until(latest);
}

}  // namespace sluice::edge
