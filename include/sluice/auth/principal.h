// Who a request's key proved to be.
#pragma once

#include <cstdint>

#include <sluice/base/ids.h>

namespace sluice::auth {

// The ids belong to the snapshot whose keys were asked. What the key may call is asked of that
// snapshot too (config::Key::allows); an anonymous principal may call everything.
struct Principal {
  KeyId key;  // Invalid for the anonymous principal of development mode.
  TenantId tenant;
  uint32_t weight = 1;
  uint32_t priority_max = 0;

  [[nodiscard]] bool is_anonymous() const noexcept { return !key.is_valid(); }
};

}  // namespace sluice::auth
