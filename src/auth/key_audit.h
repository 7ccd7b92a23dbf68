// Keys and owners as the audit log shows them.
#pragma once

#include <string>

#include <sluice/auth/key_record.h>

namespace sluice::auth {

// JSON objects; what is not set is left out. Of secrets the prefix alone.
[[nodiscard]] std::string audit_text(const KeyRecord& key);
[[nodiscard]] std::string audit_text(const Owner& owner);

}  // namespace sluice::auth
