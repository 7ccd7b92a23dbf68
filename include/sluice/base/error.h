// What can go wrong with an exchange: one closed list, with the side at fault and whether to retry.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice {

enum class ErrorCode : uint8_t {
  // The client's request.
  kMalformedRequest,     // Not valid HTTP/1.1 by RFC 9112, or ambiguous framing.
  kHeadTooLarge,         // Header bytes or header count above the limit.
  kRequestTooLarge,      // Body above `body_bytes_max`.
  kRequestTimeout,       // Head or body did not arrive in time.
  kLengthRequired,       // A body endpoint without any body framing.
  kExpectationFailed,    // An Expect other than 100-continue.
  kInvalidJson,          // The body is not valid JSON or not valid UTF-8.
  kMissingParameter,     // A required field is absent.
  kUnsupportedValue,     // A field has a type or value that we refuse.
  kInvalidApiKey,        // No key, an unknown key, or an expired one of the configuration.
  kKeyBlocked,           // The key or one of its owners is blocked.
  kKeyExpired,           // The time of the key or of one of its owners is over.
  kKeyNotYetValid,       // Its time has not come.
  kWrongKeyType,         // A management key asks for a model.
  kAddressNotAllowed,    // The key may not be used from the client's address.
  kScriptRefused,        // A script of the operator says no.
  kModelNotAllowed,      // The key may not call this model.
  kModelNotFound,        // No such model is configured.
  kEndpointNotFound,     // No such path.
  kMethodNotAllowed,     // The path exists, not with this method.
  kUnsupportedEndpoint,  // No upstream of the model serves this endpoint.
  // Our own state.
  kKeySourceFailed,    // Nobody can be asked who the key is.
  kScriptFailed,       // A script of the operator broke off, and its failure refuses.
  kOverloaded,         // The byte budget or a connection limit is spent.
  kRateLimited,        // A limit of requests or tokens has no room.
  kInsufficientQuota,  // A budget is spent.
  kConcurrencyLimit,   // A limit of requests in flight has no room.
  kQueueFull,          // Everything is taken, and the line for it is full.
  kQueueTimeout,       // No place came free within `queue.wait_max`.
  kDraining,           // The process is going away.
  kNoHealthyUpstream,  // Every candidate was tried or none exists.
  kInternal,           // A bug that we survived.
  // The upstream.
  kUpstreamConnect,    // No connection could be made.
  kConnectTimeout,     // None within `timeouts.connect`.
  kUpstreamTls,        // The TLS handshake failed: certificate, name, version, cipher.
  kUpstreamProtocol,   // The answer is not valid HTTP, or breaks its own framing.
  kUpstreamTimeout,    // No response head within `timeouts.response`.
  kFirstTokenTimeout,  // No event with content within `timeouts.first_token`.
  kTotalTimeout,       // The whole request took longer than `timeouts.total`.
  kUpstreamLost,       // Closed or reset before the end of its answer.
  kUpstreamStalled,    // No byte for `idle_timeout` within a body.
  kUpstreamStatus,     // A 5xx answer, kept for the next candidate to replace.
  // The transport and the process.
  kDownstreamLost,     // The client left.
  kDownstreamTls,      // The client broke TLS: its handshake, a record, no close_notify.
  kDownstreamStalled,  // The client took no byte for `stall_timeout`.
  kCancelled,          // The operation was cancelled by us.
  kIo,                 // A socket operation failed; `detail` names it.
  kLimit,              // An operating system limit: descriptors, memory.
  kConfig,             // A setting is wrong; the message is carried beside the error.
};

// Which side is at fault; tells settle whom to blame and the breaker what to count.
enum class Side : uint8_t { kDownstream, kUpstream, kSelf };

// Whether another attempt may be made before the commit point.
enum class Retry : uint8_t {
  kNever,
  kIfReused,  // Only when the connection had served an exchange before (a keep-alive race).
  kYes,
};

// An error value of the data path. Trivially copyable; `detail` points to static storage.
struct Error {
  ErrorCode code;
  Side side;
  Retry retry = Retry::kNever;
  std::string_view detail;  // For logs, not for clients; static storage only.
};

// The code's name for logs and metrics, e.g. "upstream_lost". Static storage.
[[nodiscard]] std::string_view to_string(ErrorCode code) noexcept;
[[nodiscard]] std::string_view to_string(Side side) noexcept;

}  // namespace sluice
