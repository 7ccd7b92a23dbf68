#include <sluice/auth/key_memory.h>

#include <cstring>

#include <sluice/crypto/constant_time.h>
#include <sluice/crypto/secret.h>

namespace sluice::auth {
namespace {

// The one header that decides, and whether its value begins with a scheme.
struct Deciding {
  std::string_view text;
  bool is_bearer;
};

Deciding deciding(const Credentials& credentials) noexcept {
  if (!credentials.authorization.empty()) return {credentials.authorization, true};
  return {!credentials.x_api_key.empty() ? credentials.x_api_key : credentials.api_key, false};
}

}  // namespace

const crypto::Digest* KeyMemory::recall(const Credentials& credentials) const noexcept {
  const Deciding given = deciding(credentials);
  if (length_ == 0 || given.is_bearer != is_bearer_) return nullptr;
  return crypto::equal_constant_time(given.text, text()) ? &digest_ : nullptr;
}

void KeyMemory::remember(const Credentials& credentials, const crypto::Digest& digest) noexcept {
  forget();
  const Deciding given = deciding(credentials);
  if (given.text.size() > kTextBytesMax) return;
  std::memcpy(text_.data(), given.text.data(), given.text.size());
  length_ = static_cast<uint32_t>(given.text.size());
  is_bearer_ = given.is_bearer;
  digest_ = digest;
}

void KeyMemory::forget() noexcept {
  crypto::wipe(text_.data(), length_);
  length_ = 0;
}

}  // namespace sluice::auth
