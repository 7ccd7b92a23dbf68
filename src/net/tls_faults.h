// What the library's error codes mean to the person who reads the log.
#pragma once

#include <string_view>

namespace sluice::net {

// Static storage. `code` is what wolfSSL_get_error() told.
[[nodiscard]] std::string_view describe_tls_fault(int code) noexcept;

}  // namespace sluice::net
