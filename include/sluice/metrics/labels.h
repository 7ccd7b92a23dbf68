// The closed sets that metric labels and log fields draw their values from.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::metrics {

// What was asked for, as a template: a raw path never becomes a label.
enum class Endpoint : uint8_t {
  kChatCompletions,
  kCompletions,
  kEmbeddings,
  kResponses,
  kModels,
  kModel,
  kLivez,
  kReadyz,
  kOther,  // Unknown paths, and requests that failed before their path was known.
};
inline constexpr std::array<std::string_view, 9> kEndpointNames = {
    "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/models",
    "/v1/models/{id}",      "/livez",          "/readyz",        "other"};

enum class TokenType : uint8_t { kInput, kOutput, kCached, kReasoning };
inline constexpr std::array<std::string_view, 4> kTokenTypeNames = {"input", "output", "cached",
                                                                    "reasoning"};

enum class UsageSource : uint8_t { kUnknown, kCounted, kReported };
inline constexpr std::array<std::string_view, 3> kUsageSourceNames = {"unknown", "counted",
                                                                      "reported"};

// The step of an exchange in which its client left.
enum class Phase : uint8_t { kRead, kIdentify, kAdmit, kRoute, kSend, kRelay };
inline constexpr std::array<std::string_view, 6> kPhaseNames = {"read",  "identify", "admit",
                                                                "route", "send",     "relay"};

// How one attempt at an upstream ended.
enum class AttemptOutcome : uint8_t {
  kOk,             // An answer below 400, complete.
  kClientError,    // A 4xx answer.
  kServerError,    // A 5xx answer.
  kConnectError,   // No connection.
  kTlsError,       // No TLS: certificate, name, version, cipher.
  kTimeout,        // No head in time, or a stalled body.
  kLost,           // Closed or reset before the end of the answer.
  kProtocolError,  // Not valid HTTP.
  kCancelled,      // Ended by us: the client left, or we are draining.
};
inline constexpr std::array<std::string_view, 9> kAttemptOutcomeNames = {
    "ok",      "client_error", "server_error",   "connect_error", "tls_error",
    "timeout", "lost",         "protocol_error", "cancelled"};

// Why a client's connection was closed at once.
enum class RefusedConnection : uint8_t {
  kConnections,  // limits.connections_max.
  kAddress,      // limits.connections_per_address.
  kHandshakes,   // tls.handshakes_per_address.
};
inline constexpr std::array<std::string_view, 3> kRefusedConnectionNames = {
    "connections", "address", "handshakes"};

// What a client was too slow with.
enum class SlowClient : uint8_t { kFirstByte, kHandshake, kHead, kBody, kBodyRate, kAnswer };
inline constexpr std::array<std::string_view, 6> kSlowClientNames = {
    "first_byte", "handshake", "head", "body", "body_rate", "answer"};

// Why a shard does not accept for a while.
enum class AcceptPause : uint8_t { kDescriptors, kMemory, kBuffers };
inline constexpr std::array<std::string_view, 3> kAcceptPauseNames = {"descriptors", "memory",
                                                                      "buffers"};

// How an HTTP/2 connection came to its end.
enum class Http2End : uint8_t {
  kClosed,         // By the client, or idle, or drained.
  kProtocol,       // The client broke RFC 9113.
  kResets,         // Too many streams reset in a second.
  kControlFrames,  // Too many frames that carry nothing.
  kHeaders,        // A header block without end.
};
inline constexpr std::array<std::string_view, 5> kHttp2EndNames = {"closed", "protocol", "resets",
                                                                   "control_frames", "headers"};

// What a limit that has no room does.
enum class LimitMode : uint8_t {
  kEnforced,  // It refuses.
  kDry,       // It only counts: `enforce: false`, and soft budgets.
};
inline constexpr std::array<std::string_view, 2> kLimitModeNames = {"enforced", "dry"};

// Why an exchange made one more attempt.
enum class RetryKind : uint8_t {
  kRetry,     // Another deployment of the model, or the same one again.
  kFallback,  // Another model.
  kRecovery,  // A stream that broke goes on.
};
inline constexpr std::array<std::string_view, 3> kRetryKindNames = {"retry", "fallback",
                                                                    "recovery"};

// How a second attempt beside the first came out.
enum class HedgeOutcome : uint8_t { kWon, kLost, kFailed };
inline constexpr std::array<std::string_view, 3> kHedgeOutcomeNames = {"won", "lost", "failed"};

// How a request left the line.
enum class QueueOutcome : uint8_t { kServed, kFull, kTimeout, kClientLeft };
inline constexpr std::array<std::string_view, 4> kQueueOutcomeNames = {"served", "full", "timeout",
                                                                       "client_left"};

// How a TLS handshake came out.
enum class TlsOutcome : uint8_t {
  kFull,
  kResumed,  // An earlier session was taken up: no certificate, no signature.
  kFailed,
  kRefused,  // Never begun: too many were waiting for their turn.
};
inline constexpr std::array<std::string_view, 4> kTlsOutcomeNames = {"full", "resumed", "failed",
                                                                     "refused"};

// The peer that bytes came from or went to.
enum class PeerSide : uint8_t { kDownstream, kUpstream };
inline constexpr std::array<std::string_view, 2> kPeerSideNames = {"downstream", "upstream"};

// How an active check of an upstream came out.
enum class HealthOutcome : uint8_t {
  kPassed,
  kRefused,      // Answered, but not with 2xx.
  kUnreachable,  // No connection, or it was lost.
  kTimeout,
};
inline constexpr std::array<std::string_view, 4> kHealthOutcomeNames = {"passed", "refused",
                                                                        "unreachable", "timeout"};

// Where a request's key was decided.
enum class KeyAnswer : uint8_t {
  kFile,    // The configuration's keys.
  kStore,   // The directory of the key store.
  kCache,   // An earlier answer of a source.
  kStale,   // One that is older than its time, because the source could not be asked.
  kAsked,   // The request waited for a source.
  kNobody,  // No source knows it, or none could be asked.
};
inline constexpr std::array<std::string_view, 6> kKeyAnswerNames = {"file",  "store", "cache",
                                                                    "stale", "asked", "nobody"};

// A kind of key source that is asked outside the process.
enum class KeySourceKind : uint8_t { kRedis, kDatabase, kWebhook, kJwt };
inline constexpr std::array<std::string_view, 4> kKeySourceKindNames = {"redis", "database",
                                                                        "webhook", "jwt"};
enum class KeyLookupOutcome : uint8_t { kFound, kNotFound, kFailed };
inline constexpr std::array<std::string_view, 3> kKeyLookupOutcomeNames = {"found", "not_found",
                                                                           "failed"};

// The operator's scripts, and how their runs end.
enum class Hook : uint8_t { kOnAuth, kOnRequest, kOnResponse };
inline constexpr std::array<std::string_view, 3> kHookNames = {"on_auth", "on_request",
                                                               "on_response"};
enum class HookOutcome : uint8_t { kPass, kAllow, kRefuse, kError, kTooLong, kTooLarge };
inline constexpr std::array<std::string_view, 6> kHookOutcomeNames = {
    "pass", "allow", "refuse", "error", "too_long", "too_large"};

// What became of a record of use: in the usage log, or with a reporter.
enum class UsageFate : uint8_t { kStored, kLost, kReported, kReportFailed };
inline constexpr std::array<std::string_view, 4> kUsageFateNames = {"stored", "lost", "reported",
                                                                    "report_failed"};

enum class AdminResult : uint8_t { kDone, kRefused, kFailed };
inline constexpr std::array<std::string_view, 3> kAdminResultNames = {"done", "refused", "failed"};

enum class JournalRecord : uint8_t { kOpened, kSettled };
inline constexpr std::array<std::string_view, 2> kJournalRecordNames = {"opened", "settled"};

enum class ReloadResult : uint8_t { kSuccess, kFailure };
inline constexpr std::array<std::string_view, 2> kReloadResultNames = {"success", "failure"};

// Statuses with a label of their own; others count by class, and "none" is no answer at all.
inline constexpr std::array<uint16_t, 20> kCodes = {200, 400, 401, 403, 404, 405, 408,
                                                    409, 411, 413, 417, 422, 429, 431,
                                                    499, 500, 501, 502, 503, 504};
inline constexpr std::array<std::string_view, 26> kCodeNames = {
    "200", "400", "401", "403", "404", "405", "408", "409", "411", "413", "417", "422", "429",
    "431", "499", "500", "501", "502", "503", "504", "2xx", "3xx", "4xx", "5xx", "1xx", "none"};

// Position of `status` in kCodeNames; a number that is no HTTP status counts as "none".
[[nodiscard]] constexpr size_t code_index(uint16_t status) noexcept {
  for (size_t i = 0; i < kCodes.size(); ++i) {
    if (kCodes[i] == status) return i;
  }
  switch (status / 100) {
    case 1: return 24;
    case 2: return 20;
    case 3: return 21;
    case 4: return 22;
    case 5: return 23;
    default: return 25;
  }
}

[[nodiscard]] constexpr std::string_view to_string(Endpoint endpoint) noexcept {
  return kEndpointNames[static_cast<size_t>(endpoint)];
}
[[nodiscard]] constexpr std::string_view to_string(UsageSource source) noexcept {
  return kUsageSourceNames[static_cast<size_t>(source)];
}

}  // namespace sluice::metrics
