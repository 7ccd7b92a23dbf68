// Answers that Sluice gives itself: errors in the OpenAI shape, and small JSON bodies.
#pragma once

#include <cstdint>
#include <string_view>

#include <sluice/base/clock.h>
#include <sluice/base/result.h>
#include <sluice/exchange/services.h>
#include <sluice/http/response_sink.h>
#include <sluice/io/block_pool.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/relay/relay.h>

#include "head_lines.h"

namespace sluice::exchange {

// What a client is told about an error. The one table from ErrorCode is in reply.cc.
struct ErrorAnswer {
  uint16_t status;
  std::string_view type;
  std::string_view code;     // Empty prints as null.
  std::string_view message;  // For people; says what to do. Never names hosts or internals.
};
[[nodiscard]] ErrorAnswer answer_for(ErrorCode code) noexcept;

// What makes an error answer more exact than its table row. Views must live until the reply ends.
struct ErrorDetails {
  uint16_t status = 0;       // Replaces the row's when not 0 (HTTP parse errors).
  std::string_view param;    // The request's field; empty prints as null.
  std::string_view model;    // Put into the message of model errors.
  uint64_t limit = 0;        // Put into the message of size errors, in bytes.
  std::string_view allow;    // The allow header of a 405.
  std::string_view message;  // Of a script, in place of the usual one.
  // When trying again makes sense; zero is the usual second of a 503.
  Duration retry_after{};
  // The limit that refused, and what it says.
  const config::LimitRule* rule = nullptr;
  limit::LimitView view{};
  bool is_too_large_for_limit = false;
};

// Sends one whole answer and waits until it is written, the client is gone, or it takes no byte for
// its stall timeout. The sink must not be committed. Returns the number of body bytes. Suspends.
// With `retry_after`, which is not zero then, a client that speaks seconds is told no less.
Task<uint64_t> reply_json(Services& services, http::ResponseSink& sink, HeadLines lines,
                          uint16_t status, std::string_view body, Duration retry_after = {},
                          std::string_view allow = {},
                          const limit::RateLimiter::Views& limits = {});

// The same for an error. Returns the status that was sent; 0 when the client is gone already.
Task<uint16_t> reply_error(Services& services, http::ResponseSink& sink, HeadLines lines,
                           ErrorCode code, ErrorDetails details);

// Tells a browser what its page may send; one whose page may send nothing is refused. Returns the
// status that was sent. Suspends.
Task<uint16_t> reply_preflight(Services& services, http::ResponseSink& sink, HeadLines lines,
                               std::string_view preflight_lines);

// The last events of broken streams.
[[nodiscard]] relay::BrokenEvents broken_events() noexcept;

}  // namespace sluice::exchange
