#include <sluice/base/error.h>

namespace sluice {

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kMalformedRequest: return "malformed_request";
    case ErrorCode::kHeadTooLarge: return "head_too_large";
    case ErrorCode::kRequestTooLarge: return "request_too_large";
    case ErrorCode::kRequestTimeout: return "request_timeout";
    case ErrorCode::kLengthRequired: return "length_required";
    case ErrorCode::kExpectationFailed: return "expectation_failed";
    case ErrorCode::kInvalidJson: return "invalid_json";
    case ErrorCode::kMissingParameter: return "missing_required_parameter";
    case ErrorCode::kUnsupportedValue: return "unsupported_value";
    case ErrorCode::kInvalidApiKey: return "invalid_api_key";
    case ErrorCode::kKeyBlocked: return "key_blocked";
    case ErrorCode::kKeyExpired: return "key_expired";
    case ErrorCode::kKeyNotYetValid: return "key_not_yet_valid";
    case ErrorCode::kWrongKeyType: return "wrong_key_type";
    case ErrorCode::kAddressNotAllowed: return "address_not_allowed";
    case ErrorCode::kScriptRefused: return "refused_by_policy";
    case ErrorCode::kKeySourceFailed: return "auth_unavailable";
    case ErrorCode::kScriptFailed: return "policy_failed";
    case ErrorCode::kModelNotAllowed: return "model_not_allowed";
    case ErrorCode::kModelNotFound: return "model_not_found";
    case ErrorCode::kEndpointNotFound: return "endpoint_not_found";
    case ErrorCode::kMethodNotAllowed: return "method_not_allowed";
    case ErrorCode::kUnsupportedEndpoint: return "endpoint_not_supported";
    case ErrorCode::kOverloaded: return "server_overloaded";
    case ErrorCode::kRateLimited: return "rate_limit_exceeded";
    case ErrorCode::kInsufficientQuota: return "insufficient_quota";
    case ErrorCode::kConcurrencyLimit: return "concurrency_limit";
    case ErrorCode::kQueueFull: return "queue_full";
    case ErrorCode::kQueueTimeout: return "queue_timeout";
    case ErrorCode::kDraining: return "draining";
    case ErrorCode::kNoHealthyUpstream: return "no_healthy_upstream";
    case ErrorCode::kInternal: return "internal_error";
    case ErrorCode::kUpstreamConnect: return "upstream_connect_error";
    case ErrorCode::kConnectTimeout: return "connect_timeout";
    case ErrorCode::kUpstreamTls: return "upstream_tls_error";
    case ErrorCode::kUpstreamProtocol: return "upstream_protocol_error";
    case ErrorCode::kUpstreamTimeout: return "upstream_timeout";
    case ErrorCode::kFirstTokenTimeout: return "ttft_timeout";
    case ErrorCode::kTotalTimeout: return "total_timeout";
    case ErrorCode::kUpstreamLost: return "upstream_lost";
    case ErrorCode::kUpstreamStalled: return "stream_timeout";
    case ErrorCode::kUpstreamStatus: return "upstream_status";
    case ErrorCode::kDownstreamLost: return "client_closed_request";
    case ErrorCode::kDownstreamTls: return "client_tls_error";
    case ErrorCode::kDownstreamStalled: return "client_stalled";
    case ErrorCode::kCancelled: return "cancelled";
    case ErrorCode::kIo: return "io_error";
    case ErrorCode::kLimit: return "limit_reached";
    case ErrorCode::kConfig: return "config_error";
  }
  return "unknown";
}

std::string_view to_string(Side side) noexcept {
  switch (side) {
    case Side::kDownstream: return "downstream";
    case Side::kUpstream: return "upstream";
    case Side::kSelf: return "self";
  }
  return "unknown";
}

}  // namespace sluice
