// The lookup of a header name that the scanner has found to be a token already.
#pragma once

#include <sluice/http/headers.h>

namespace sluice::http {

// As header_name(), but `token` must hold token characters only; other text may match wrongly.
[[nodiscard]] HeaderName known_name_of_token(std::string_view token) noexcept;

}  // namespace sluice::http
