// From a seat to the request that goes out there, and from its end to what is judged.
#pragma once

#include <sluice/resilience/judge.h>

#include "phases.h"
#include "search.h"

namespace sluice::exchange {

// The attempt at `seat`, not begun; its `attempt` is not held when there is no memory.
[[nodiscard]] Answer begin_answer(Search& search, Seat seat) noexcept;

// Writes what goes out for `answer`, which views what search and answer own and must not outlive
// them. False when there is no memory, or a partial answer cannot be sent along.
[[nodiscard]] bool prepare_request(Search& search, Answer& answer, OutgoingRequest& out) noexcept;

// How the attempt of `answer` ended. Views what it has received.
[[nodiscard]] resilience::AttemptEnd end_of(Answer& answer, const Result<void>& answered,
                                            http::ResponseSink& client, MonoTime now) noexcept;
[[nodiscard]] resilience::Judgement judge(const Search& search, const Answer& answer,
                                          const resilience::AttemptEnd& end) noexcept;

// The client's leaving as the error that it is. Only when it was interrupted.
[[nodiscard]] Error error_of(http::ResponseSink& client) noexcept;

// Waits between two attempts. False when the client left or the request's time is over. Suspends.
Task<bool> pause(Services& services, http::ResponseSink& client, Duration delay, Deadline total);

}  // namespace sluice::exchange
