// From a request's headers to its principal, by an ordered chain of sources.
#pragma once

#include <array>
#include <cstddef>

#include <sluice/auth/credentials.h>
#include <sluice/auth/file_source.h>
#include <sluice/auth/key_memory.h>
#include <sluice/auth/principal.h>
#include <sluice/base/clock.h>
#include <sluice/base/result.h>

namespace sluice::auth {

// Belongs to one snapshot on one shard and dies with it: build it when the snapshot is adopted and
// keep it beside the pin. Never allocates, never suspends.
class Chain {
 public:
  explicit Chain(KeyTable table) noexcept;
  // The sources hold no state of a request, but they are referred to by address.
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  // Otherwise kInvalidApiKey, with a `detail` that says why to the log; the client is told the
  // same in every case. Without any key in development mode everyone is anonymous. `memory` is of
  // the connection that the credentials came on; a key of its certificate goes before them.
  [[nodiscard]] Result<Principal> identify(const Credentials& credentials, WallTime now,
                                           KeyMemory& memory) const noexcept;

 private:
  [[nodiscard]] Result<Principal> ask_sources(const crypto::Digest& digest,
                                              WallTime now) const noexcept;

  FileSource file_;
  std::array<const Source*, 1> sources_;  // In the order in which they are asked.
  bool is_open_;                          // Development mode without a key.
};

}  // namespace sluice::auth
