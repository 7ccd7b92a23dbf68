#include <sluice/auth/chain.h>

#include <sluice/crypto/digest.h>

namespace sluice::auth {

Chain::Chain(KeyTable table) noexcept
    : file_(table), sources_{&file_}, is_open_(table.development && table.keys.empty()) {}

Result<Principal> Chain::identify(const Credentials& credentials, WallTime now,
                                  KeyMemory& memory) const noexcept {
  // Tenant 0 is "default", which every snapshot has.
  if (is_open_) return Principal{.key = {}, .tenant = TenantId{0}};
  if (const std::string_view subject = memory.certificate_subject(); !subject.empty()) {
    // Proven by the handshake, so it goes before the headers, which SDKs fill with any text.
    const Answer answer = file_.ask_subject(subject, now);
    if (answer.verdict == Verdict::kAllow) return answer.principal;
    if (answer.verdict == Verdict::kDeny) {
      return fail(ErrorCode::kInvalidApiKey, Side::kDownstream, answer.reason);
    }
  }
  if (const crypto::Digest* known = memory.recall(credentials)) return ask_sources(*known, now);
  const Result<std::string_view> secret = extract_secret(credentials);
  if (!secret) return Unexpected(secret.error());
  const crypto::Digest digest = crypto::sha256(*secret);
  Result<Principal> principal = ask_sources(digest, now);
  if (principal) memory.remember(credentials, digest);
  return principal;
}

Result<Principal> Chain::ask_sources(const crypto::Digest& digest, WallTime now) const noexcept {
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
