// From a request's headers to the key that they are, by an ordered chain of sources.
#pragma once

#include <cstddef>
#include <optional>

#include <sluice/auth/answer_cache.h>
#include <sluice/auth/credentials.h>
#include <sluice/auth/directory.h>
#include <sluice/auth/file_source.h>
#include <sluice/auth/key_memory.h>
#include <sluice/auth/principal.h>
#include <sluice/base/clock.h>
#include <sluice/base/result.h>
#include <sluice/metrics/labels.h>

namespace sluice::auth {

// What the credentials amount to before any source is asked.
struct Claim {
  std::optional<Principal> principal;  // Decided: by a certificate, or because everyone may.
  crypto::Digest digest{};
  std::string_view secret;  // A view into the credentials; "" when they were remembered.
};

// A script in the chain, run for each request.
class Decider {
 public:
  virtual ~Decider() = default;
  // `so_far` is what sources before have found, null for nothing. An allowed key that nobody found
  // is what the script says of it, kept by the decider for the request.
  virtual Verdict decide(uint32_t source, const FoundKey* so_far, const AnsweredKey** said) = 0;
};

struct Identified {
  enum class By : uint8_t {
    kFile,     // `principal`.
    kFound,    // `found`, by the store or a source.
    kMustAsk,  // The sources before `sources_end` have to be asked first.
  };
  By by = By::kFile;
  metrics::KeyAnswer from = metrics::KeyAnswer::kFile;
  Principal principal;
  FoundKey found;  // Good until anything is put into the cache or another directory is adopted.
  MonoTime holds_until = MonoTime::max();  // Then the chain has to be walked again.
  uint32_t sources_end = 0;
  bool is_refresh_due = false;  // Something stale was used: ask, but do not wait.
};

// Belongs to one snapshot on one shard and dies with it: build it when the snapshot is adopted and
// keep it beside the pin. Never suspends; allocates nothing but in scripts.
class Chain {
 public:
  // Both outlive it.
  Chain(KeyTable table, const config::AuthSettings& settings) noexcept;
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  // Otherwise kInvalidApiKey, with a `detail` that says why to the log; the client is told the
  // same in every case. `memory` is of the connection that the credentials came on; a key of its
  // certificate goes before them.
  [[nodiscard]] Result<Claim> read(const Credentials& credentials, WallTime now,
                                   KeyMemory& memory) const noexcept;
  // The answer of the configuration's keys, where no other source can change it; else kPass.
  [[nodiscard]] Answer ask_file(const crypto::Digest& digest, WallTime now) const noexcept;
  // Walks the whole chain (D128, D129). `decider` may be null where no source is a script.
  [[nodiscard]] Result<Identified> identify(const crypto::Digest& digest, WallTime wall,
                                            MonoTime now, const Directory& directory,
                                            const AnswerCache& cache, Decider* decider) const;

  // Whether keys can come from elsewhere than the configuration.
  [[nodiscard]] bool has_more_sources() const noexcept { return has_more_sources_; }

 private:
  class Walk;

  FileSource file_;
  const config::AuthSettings& settings_;
  bool is_open_;       // Development mode without a key.
  bool file_decides_;  // It is asked first, and what it knows needs no other source.
  bool has_more_sources_;
};

// Whether the key may be used now: kKeyBlocked, kKeyExpired or kKeyNotYetValid else. Owners bind.
[[nodiscard]] Result<void> check_state(const FoundKey& found, WallTime now) noexcept;

}  // namespace sluice::auth
