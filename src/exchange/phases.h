// The phases of an exchange, in the order in which they run. Each takes what it needs and returns
// its result; a phase that may suspend is a Task.
#pragma once

#include <cstdint>
#include <string_view>

#include <sluice/auth/chain.h>
#include <sluice/auth/key_memory.h>
#include <sluice/base/ip_class.h>
#include <sluice/exchange/endpoint.h>
#include <sluice/exchange/exchange.h>
#include <sluice/exchange/identity.h>
#include <sluice/json/envelope_reader.h>
#include <sluice/limit/rate_limiter.h>
#include <sluice/relay/relay.h>
#include <sluice/route/router.h>

#include "attempt.h"
#include "reply.h"
#include "seat.h"
#include "settlement.h"
#include "timeout_wishes.h"

namespace sluice::exchange {

// An error with what the client's answer needs beside it.
struct Refusal {
  Error error;
  ErrorDetails details;
};
template <class T>
using Outcome = std::expected<T, Refusal>;

// 1. read: which endpoint the head asks for.
[[nodiscard]] Outcome<Endpoint> read_head(const http::RequestHead& head, RefusedHead refused,
                                          Settlement& settlement) noexcept;

// Before it is known who asks: charges the limits of addresses, by all requests but probes. Empty
// when the ledger has to be asked first.
[[nodiscard]] std::optional<Outcome<void>> charge_address_at_once(Services& services,
                                                                  Generation& generation,
                                                                  const Ipv6Bytes& address,
                                                                  Settlement& settlement) noexcept;
// The same, after its answer. Suspends, at most for redis.wait_max.
Task<Outcome<void>> charge_address_by_ledger(Services& services, Generation& generation,
                                             Ipv6Bytes address, Settlement& settlement,
                                             http::ResponseSink& client);

// 2. identify: who asks. From the head alone, before a body byte is kept. Everything given outlives
// it.
class Identification {
 public:
  Identification(Services& services, Generation& generation, const http::RequestHead& head,
                 auth::KeyMemory& memory, Settlement& settlement) noexcept;
  Identification(const Identification&) = delete;
  Identification& operator=(const Identification&) = delete;

  // Empty when sources outside have to be asked first. Allocates only when a key that is not of the
  // configuration is new here.
  [[nodiscard]] std::optional<Outcome<Identity>> decide_at_once();
  // The same, after their answer. Suspends, once, at most for auth.wait_max.
  Task<Outcome<Identity>> decide_by_sources(http::ResponseSink& client);

 private:
  [[nodiscard]] std::optional<Outcome<Identity>> walk_chain(bool has_waited);
  [[nodiscard]] std::string_view secret() const noexcept;
  [[nodiscard]] bool ask(uint32_t sources_end);
  void remember() noexcept;

  [[nodiscard]] Outcome<Identity> accept(const Identity& identity, metrics::KeyAnswer from);

  Services& services_;
  Generation& generation_;
  const http::RequestHead& head_;
  auth::KeyMemory& memory_;
  Settlement& settlement_;
  auth::Credentials credentials_;
  auth::Claim claim_;
  uint32_t sources_end_ = 0;
};

// The scripts of the operator, where the configuration has them. What refuses, refuses here.
[[nodiscard]] Outcome<void> ask_on_auth(Services& services, Generation& generation,
                                        const http::RequestHead& head, const Identity& identity,
                                        Settlement& settlement);
struct Admission;
// May change the admission: its priority, its model, what goes upstream with it.
[[nodiscard]] Outcome<void> ask_on_request(Services& services, Generation& generation,
                                           const http::RequestHead& head, Admission& admission,
                                           Settlement& settlement);

// 3. admit: the body, and the model it names, allowed for this principal. Whether a body may come
// at all is known from the head; the body is then taken, or read where it did not come with it.
[[nodiscard]] Outcome<void> admit_body(const Services& services,
                                       const http::RequestHead& head) noexcept;
struct Admission {
  std::string_view body;
  json::Envelope envelope;  // Its views of names are dead after the next suspension.
  ModelId model;
  std::string_view wild;  // What the `*` of the model's name stands for; a part of the body.
  Identity identity;
  ScriptWishes wishes;
  uint32_t priority = 0;
  uint64_t prompt_estimate = 0;  // By scripts; 0 where nothing asks for it.
  uint64_t prompt_tokens = 0;    // What the model has made of such estimates; else by thumb.
  uint64_t expected_tokens = 0;  // With what the answer may take.
  limit::Demand demand;          // Meaningful only with limits or a journal.
  TimeoutWishes timeouts;
};
// `admission` is a new one, and filled in place: it is large.
[[nodiscard]] Outcome<void> admit(Services& services, Generation& generation,
                                  const http::RequestHead& head,
                                  const Result<std::string_view>& body, const Identity& identity,
                                  Settlement& settlement, Admission& admission);

// Charges the limits that match; nothing is charged when one of them refuses. Empty when the ledger
// has to be asked first.
[[nodiscard]] std::optional<Outcome<void>> charge_at_once(Services& services,
                                                          Generation& generation,
                                                          const Admission& admission,
                                                          Settlement& settlement) noexcept;
// The same, after its answer. Suspends, at most for redis.wait_max.
Task<Outcome<void>> charge_by_ledger(Services& services, Generation& generation,
                                     const Admission& admission, Settlement& settlement,
                                     http::ResponseSink& client);
// Whether any limit can match.
[[nodiscard]] bool has_limits(const Generation& generation, const Identity& identity) noexcept;
// What the request may come to use.
[[nodiscard]] limit::Demand demand_of(const Generation& generation,
                                      const Admission& admission) noexcept;

// 4 and 5. route and send: tries candidates until one answers. A failure is an answer too when
// nothing is left to try.
struct Answer {
  AttemptPtr attempt;
  // Not taken when the answer is a failure that was judged before.
  Seat seat;
  const config::Route* route = nullptr;
  ModelId model;  // That the route is of.
  config::UpstreamTimeouts timeouts;
  Deadline total;
  bool hides_usage = false;  // We asked for the usage event, the client did not.
};
// The deployment of the next attempt: waits in line where all are full, turns to another model
// where this one has none left. Suspends.
class Search;
Task<Outcome<Seat>> find_seat(Search& search, http::ResponseSink& client);
// When to come back, for a request whose last attempt broke and whose candidates all rest. Nothing
// when one of them serves: then it is told how it failed.
[[nodiscard]] std::optional<Refusal> refuse_at_rest(Search& search) noexcept;
// In line for what the search lacks, at most for `queue.wait_max`.
Task<Outcome<limit::Place>> wait_in_line(Search& search, http::ResponseSink& client);

Task<Outcome<Answer>> route_and_send(Search& search, http::ResponseSink& client);

// One attempt of a model that hedges: with a second one beside it when its first content is late.
// Afterwards `answer` is the one that counts. Suspends.
Task<Result<void>> run_hedged(Search& search, Answer& answer, const OutgoingRequest& request,
                              http::ResponseSink& client);

// 6. relay: commits the answer's head and moves its body. The request's bytes are given back first,
// unless a broken stream may be recovered with them.
Task<void> relay_answer(Search& search, Answer& answer, http::RequestBody& body,
                        http::ResponseSink& client, HeadLines lines);

// The answer of another attempt that a broken stream can go on with; the client has got `partial`
// of it, as far as that is to be told. Nothing when there is none, or no budget for it. Suspends.
Task<std::optional<Answer>> recover(Search& search, std::string_view partial,
                                    http::ResponseSink& client);

// Instead of 3 to 6: model lists, liveness and readiness are answered here.
Task<Outcome<uint16_t>> answer_locally(Services& services, Generation& generation,
                                       Endpoint endpoint, const http::RequestHead& head,
                                       const Identity* identity, http::ResponseSink& client,
                                       HeadLines lines, Settlement& settlement);

// 7. settle is Settlement's destructor.

}  // namespace sluice::exchange
