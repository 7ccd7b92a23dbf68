// The keys of the configuration file.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include <absl/container/flat_hash_map.h>

#include <sluice/auth/verdict.h>
#include <sluice/config/snapshot.h>

namespace sluice::auth {

// The part of a snapshot that concerns keys; the snapshot must outlive it.
struct KeyTable {
  explicit KeyTable(const config::Snapshot& snapshot) noexcept
      : keys(snapshot.keys),
        by_digest(&snapshot.keys_by_digest),
        by_subject(&snapshot.keys_by_subject),
        development(snapshot.development) {}

  std::span<const config::Key> keys;
  const absl::flat_hash_map<std::array<uint8_t, 32>, KeyId>* by_digest;
  const absl::flat_hash_map<std::string, KeyId>* by_subject;
  bool development;
};

class FileSource final : public Source {
 public:
  explicit FileSource(KeyTable table) noexcept : table_(table) {}
  [[nodiscard]] Answer ask(const crypto::Digest& digest, WallTime now) const noexcept override;
  // The same by the subject of a certificate that was verified.
  [[nodiscard]] Answer ask_subject(std::string_view subject, WallTime now) const noexcept;

 private:
  KeyTable table_;
};

}  // namespace sluice::auth
