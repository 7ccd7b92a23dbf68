// Takes a request target and a Host value apart.
#pragma once

#include <sluice/http/request_parser.h>

namespace sluice::http {

// Sets path and query from `head.target`, which must hold target characters only, and returns the
// authority of an absolute target through `authority` (else left empty). Returns the fault, or
// null.
[[nodiscard]] const HeadFault* read_target_form(RequestHead& head,
                                                std::string_view& authority) noexcept;

// Whether `value` is a host with an optional port, and nothing that names a user.
[[nodiscard]] bool is_host(std::string_view value) noexcept;

}  // namespace sluice::http
