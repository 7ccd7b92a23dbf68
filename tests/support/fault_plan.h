// What goes wrong in a simulation, and how often.
#pragma once

#include <cstdint>

#include <sluice/base/clock.h>

#include "prng.h"

namespace sluice::support {

// Chances are per mille. All zero is a calm world: whole segments, in order, after `delay_min`.
struct FaultPlan {
  Duration delay_min = microseconds(20);
  Duration delay_max = microseconds(20);
  Duration turn_cost_max = microseconds(5);  // Time that passes between two waits of the ring.
  uint32_t split = 0;                        // A write arrives in pieces, cut at any byte.
  uint32_t dribble = 0;                      // A write arrives byte by byte (its first 40 bytes).
  uint32_t stall = 0;  // A segment, and all behind it, is late by up to `stall_max`.
  Duration stall_max{};
  uint32_t reset = 0;       // A segment is lost to a reset of its connection.
  uint32_t refuse = 0;      // A connect is refused although somebody listens.
  uint32_t short_send = 0;  // A send completes short in spite of MSG_WAITALL.
  uint32_t reorder = 0;     // The completions of a turn come in another order.
  uint32_t hold_back = 0;   // Some completions come a turn later.
  uint32_t starve = 0;      // A wait begins an episode in which no receive buffer is found.
  Duration starve_max{};
  uint32_t no_descriptor = 0;  // EMFILE for an accept or a socket.
  uint32_t late_cancel = 0;    // A cancel says -EALREADY; its target ends in a later turn.

  // Harmless for correctness: only timing, cutting and order. A correct program must produce the
  // same bytes as in a calm world.
  [[nodiscard]] static FaultPlan rough(Prng& prng) {
    FaultPlan plan;
    plan.delay_max = microseconds(prng.between(20, 3000));
    plan.turn_cost_max = microseconds(prng.between(1, 50));
    plan.split = static_cast<uint32_t>(prng.below(600));
    plan.dribble = static_cast<uint32_t>(prng.below(100));
    plan.stall = static_cast<uint32_t>(prng.below(20));
    plan.stall_max = milliseconds(prng.below(50));
    plan.short_send = static_cast<uint32_t>(prng.below(200));
    plan.reorder = static_cast<uint32_t>(prng.below(1000));
    plan.hold_back = static_cast<uint32_t>(prng.below(300));
    plan.starve = static_cast<uint32_t>(prng.below(30));
    plan.starve_max = microseconds(prng.below(2000));
    plan.late_cancel = static_cast<uint32_t>(prng.below(300));
    return plan;
  }
  // rough() with failures on top.
  [[nodiscard]] static FaultPlan hostile(Prng& prng) {
    FaultPlan plan = rough(prng);
    plan.reset = static_cast<uint32_t>(prng.below(60));
    plan.refuse = static_cast<uint32_t>(prng.below(200));
    plan.no_descriptor = static_cast<uint32_t>(prng.below(100));
    plan.stall_max = milliseconds(prng.below(5000));
    return plan;
  }
};

}  // namespace sluice::support
