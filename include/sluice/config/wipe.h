// What a snapshot that is used no more leaves behind: no secret.
#pragma once

#include <sluice/config/snapshot.h>

namespace sluice::config {

// Overwrites and empties every text of `snapshot` that is a secret or may be one (credentials,
// values of headers, passwords, tokens). Call before it is destroyed, when nobody reads it.
void wipe_secrets(Snapshot& snapshot) noexcept;

}  // namespace sluice::config
