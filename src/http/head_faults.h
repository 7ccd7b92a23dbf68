// Everything for which a head is refused, in one list.
#pragma once

#include <sluice/http/head.h>

namespace sluice::http::fault {

inline constexpr HeadFault kHeadTooLarge = {431, "the head is larger than head_bytes_max"};
inline constexpr HeadFault kTooManyFields = {431, "more header fields than header_count_max"};

inline constexpr HeadFault kBareCr = {400, "CR without LF"};
inline constexpr HeadFault kBareLf = {400, "LF without CR"};
inline constexpr HeadFault kControlByte = {400, "control byte in a field value"};
inline constexpr HeadFault kEmptyName = {400, "empty field name"};
inline constexpr HeadFault kLeadingSpace = {400, "white space before the first field"};
inline constexpr HeadFault kFoldedLine = {400, "folded field line"};
inline constexpr HeadFault kBadNameByte = {400, "byte not allowed in a field name"};
inline constexpr HeadFault kSpaceBeforeColon = {400, "white space before the colon"};
inline constexpr HeadFault kNoColon = {400, "field line without a colon"};

inline constexpr HeadFault kBadMethod = {400, "byte not allowed in a method"};
inline constexpr HeadFault kMethodTooLong = {501, "method too long"};
inline constexpr HeadFault kConnect = {501, "CONNECT is not supported"};
inline constexpr HeadFault kBadTarget = {400, "byte not allowed in the request target"};
inline constexpr HeadFault kTargetForm = {400, "request target of no known form"};
inline constexpr HeadFault kTargetEscape = {400, "percent sign without two hexadecimal digits"};
inline constexpr HeadFault kBadVersion = {400, "malformed HTTP version"};
inline constexpr HeadFault kOtherVersion = {505, "HTTP version other than 1.0 and 1.1"};
inline constexpr HeadFault kBadStatus = {400, "malformed status line"};
inline constexpr HeadFault kSwitching = {400, "101 without an upgrade"};

inline constexpr HeadFault kNoHost = {400, "no Host field"};
inline constexpr HeadFault kRepeatedHost = {400, "repeated Host field"};
inline constexpr HeadFault kBadHost = {400, "invalid Host value"};
inline constexpr HeadFault kOtherHost = {400, "Host differs from the request target"};
inline constexpr HeadFault kExpectation = {417, "an expectation other than 100-continue"};

inline constexpr HeadFault kBothFramings = {400, "both Content-Length and Transfer-Encoding"};
inline constexpr HeadFault kRepeatedLength = {400, "repeated Content-Length"};
inline constexpr HeadFault kBadLength = {400, "Content-Length is not a number below 2^63"};
inline constexpr HeadFault kCodingInHttp10 = {400, "Transfer-Encoding in HTTP/1.0"};
inline constexpr HeadFault kBadCoding = {400, "Transfer-Encoding is not one chunked at the end"};
inline constexpr HeadFault kOtherCoding = {501, "transfer coding other than chunked"};
inline constexpr HeadFault kUnexpectedBody = {400, "framing of a body on a status without one"};

}  // namespace sluice::http::fault
