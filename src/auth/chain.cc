#include <sluice/auth/chain.h>

#include <sluice/crypto/digest.h>

namespace sluice::auth {

Chain::Chain(KeyTable table) noexcept
    : file_(table), sources_{&file_}, is_open_(table.development && table.keys.empty()) {}

Result<Principal> Chain::identify(const Credentials& credentials, WallTime now) const noexcept {
  // Tenant 0 is "default", which every snapshot has.
  if (is_open_) return Principal{.key = {}, .tenant = TenantId{0}};
  const Result<std::string_view> secret = extract_secret(credentials);
  if (!secret) return Unexpected(secret.error());
  const crypto::Digest digest = crypto::sha256(*secret);
  for (const Source* source : sources_) {
    const Answer answer = source->ask(digest, now);
    if (answer.verdict == Verdict::kAllow) return answer.principal;
    if (answer.verdict == Verdict::kDeny) {
      return fail(ErrorCode::kInvalidApiKey, Side::kDownstream, answer.reason);
    }
  }
  return fail(ErrorCode::kInvalidApiKey, Side::kDownstream, "unknown key");
}

}  // namespace sluice::auth
