#include <sluice/auth/file_source.h>

#include <sluice/crypto/constant_time.h>

namespace sluice::auth {
namespace {

Answer answer_of(KeyId id, const config::Key& key, WallTime now) noexcept {
  if (key.expires && now.unix_us >= key.expires->unix_us) {
    return {.verdict = Verdict::kDeny, .principal = {}, .reason = "key expired"};
  }
  return {.verdict = Verdict::kAllow,
          .principal = {.key = id,
                        .tenant = key.tenant,
                        .weight = key.weight,
                        .priority_max = key.priority_max},
          .reason = {}};
}

}  // namespace

Answer FileSource::ask_subject(std::string_view subject, WallTime now) const noexcept {
  // Debian's abseil has a string_view of its own.
  const auto found = table_.by_subject->find(absl::string_view(subject.data(), subject.size()));
  if (found == table_.by_subject->end()) return {};
  return answer_of(found->second, table_.keys[found->second.value], now);
}

Answer FileSource::ask(const crypto::Digest& digest, WallTime now) const noexcept {
  const auto found = table_.by_digest->find(digest);
  if (found == table_.by_digest->end()) return {};
  const KeyId id = found->second;
  if (id.value >= table_.keys.size()) return {};
  const config::Key& key = table_.keys[id.value];
  // The table compares in variable time, which tells something about digests at most; this is the
  // comparison that counts, and it does not depend on the table being right.
  if (!crypto::equal_constant_time(key.digest, digest)) return {};
  return answer_of(id, key, now);
}

}  // namespace sluice::auth
