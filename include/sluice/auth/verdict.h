// What one source of the chain says about a key.
#pragma once

#include <cstdint>
#include <string_view>

#include <sluice/auth/principal.h>
#include <sluice/base/clock.h>
#include <sluice/crypto/digest.h>

namespace sluice::auth {

enum class Verdict : uint8_t {
  kAllow,
  kDeny,  // Known and refused: later sources are not asked.
  kPass,  // Not known here.
};

struct Answer {
  Verdict verdict = Verdict::kPass;
  Principal principal;      // Meaningful only with kAllow.
  std::string_view reason;  // For logs, of a kDeny; static storage.
};

// One element of the chain. It sees the digest only, never the secret.
class Source {
 public:
  virtual ~Source() = default;
  [[nodiscard]] virtual Answer ask(const crypto::Digest& digest, WallTime now) const noexcept = 0;
};

}  // namespace sluice::auth
