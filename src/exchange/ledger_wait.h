// The wait of a request for the ledger of limits.
#pragma once

#include <cstdint>
#include <optional>

#include <sluice/exchange/services.h>
#include <sluice/http/response_sink.h>
#include <sluice/io/timer.h>

#include "phases.h"

namespace sluice::exchange {

// Control gives up a ledger after redis.wait_max, and then every limit answers at once. Only if
// control itself is late does a request see the end of this.
inline constexpr Duration kControlLateMax = milliseconds(250);

// Whether who asks may ask the ledger once more.
enum class Patience : uint8_t {
  kLeft,
  kSpent,  // It has answered, never with enough: what still lacks has to count as refused.
};

// Calls `ask(Patience)`, which returns std::optional<Outcome<Got>>, after each answer of the ledger
// until it has an outcome. What it refers to lives in the frame of the exchange. Suspends, at most
// for redis.wait_max and kControlLateMax.
template <class Got, class Ask>
Task<Outcome<Got>> await_ledger(Services& services, Generation& generation,
                                http::ResponseSink& client, Ask ask) {
  io::Timer timer(services.ring.ready(), services.ring.timers());
  const Duration wait_max =
      generation.config.redis ? generation.config.redis->wait_max : Duration{};
  timer.set(Deadline::after(services.ring.now(), wait_max + kControlLateMax));
  bool was_answered = false;
  for (;;) {
    GrantRoom::Waiting waiting(services.ring.ready());
    services.grants.join(waiting);
    if (services.control_ring != nullptr) services.control_ring->wake();
    co_await io::first_of(&waiting.answered, &client.interrupted(), &timer);
    if (client.interrupted().is_ready()) {
      co_return std::unexpected(Refusal{{client.interruption(), Side::kDownstream, Retry::kNever,
                                         "ended while limits were asked"},
                                        {}});
    }
    was_answered = was_answered || waiting.answered.is_ready();
    // A shard that is late may find each answer too old to go by.
    const bool is_last = timer.is_ready();
    std::optional<Outcome<Got>> got =
        ask(is_last && was_answered ? Patience::kSpent : Patience::kLeft);
    if (got) co_return std::move(*got);
    if (is_last) break;
  }
  co_return std::unexpected(
      Refusal{{ErrorCode::kOverloaded, Side::kSelf, Retry::kNever, "no answer of the ledger"}, {}});
}

}  // namespace sluice::exchange
