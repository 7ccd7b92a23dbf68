// Makes the sources of keys that are asked outside the process.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include <sluice/auth/key_source.h>
#include <sluice/base/log.h>
#include <sluice/config/auth.h>
#include <sluice/io/offload.h>
#include <sluice/io/ring.h>
#include <sluice/metrics/labels.h>
#include <sluice/net/resolver.h>

namespace sluice::control {

// All outlive the sources that are made with them.
struct SourceParts {
  io::Ring& ring;
  io::OffloadReturns& returns;
  net::Resolver& resolver;
  Logger& log;
  uint64_t seed = 1;  // Of jitter: should differ between processes.
};

// How metrics call it; nothing for those that each shard decides by itself (file, store, script).
[[nodiscard]] std::optional<metrics::KeySourceKind> outside_kind(config::SourceKind kind) noexcept;

// A source that was not started yet; `settings` must have an outside_kind(). Reads certificate
// files. The error is a sentence with cause and remedy.
[[nodiscard]] std::expected<std::unique_ptr<auth::KeySource>, std::string> make_source(
    const config::SourceSettings& settings, const SourceParts& parts);

}  // namespace sluice::control
