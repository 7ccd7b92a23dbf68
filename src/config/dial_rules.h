// Which hosts an upstream's or a proxy's URL may name (D56, D57).
#pragma once

#include <optional>
#include <string_view>

#include "fault.h"

namespace sluice::config {

// Why `host` may not be dialled. Of names only "localhost" and what ends in it can be judged here;
// what others resolve to is checked at each connect (D61). The cause continues "url ...".
[[nodiscard]] std::optional<Fault> refuse_host(std::string_view host, bool private_addresses);

}  // namespace sluice::config
