// Who asks, as the phases after identification know it.
#pragma once

#include <string_view>

#include <sluice/auth/principal.h>
#include <sluice/config/snapshot.h>
#include <sluice/exchange/caller.h>

namespace sluice::exchange {

// A key of the configuration, one from elsewhere, or nobody in development mode.
struct Identity {
  auth::Principal principal;  // Its key is invalid unless the configuration has it.
  Caller* caller = nullptr;   // Of a key from elsewhere; the settlement holds it.

  [[nodiscard]] bool is_anonymous() const noexcept {
    return caller == nullptr && principal.is_anonymous();
  }
  // `asked` is the client's name for the model, "" where there is none.
  [[nodiscard]] bool may_use(const config::Snapshot& config, ModelId model,
                             std::string_view asked = {}) const noexcept {
    if (caller != nullptr) return caller->allows(model, asked);
    return !principal.key.is_valid() || config.key(principal.key).allows(model);
  }
  // Whose share of places it takes.
  [[nodiscard]] TenantId share() const noexcept {
    return caller != nullptr ? caller->share() : principal.tenant;
  }
};

}  // namespace sluice::exchange
