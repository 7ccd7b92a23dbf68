// The files that a configuration's TLS needs: read, checked, and kept as what contexts are made of.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/config/loader.h>
#include <sluice/net/tls_settings.h>

namespace sluice::control {

struct CertificateLife {
  std::string file;
  WallTime not_after;
};

// Owns the private keys, which are wiped with it. Moving it keeps what the settings borrow.
struct TlsFiles {
  TlsFiles() = default;
  TlsFiles(TlsFiles&&) noexcept = default;
  TlsFiles& operator=(TlsFiles&&) noexcept = default;

  std::deque<net::TlsIdentity> identities;  // Each pair of certificate and key once.
  std::optional<net::TlsServerSettings> server;
  std::vector<std::optional<net::TlsClientSettings>> upstreams;  // By UpstreamId.
  std::vector<CertificateLife> lives;  // Of each certificate file once, in the order of use.
};

struct TlsReading {
  TlsFiles files;  // Not to be used when there are errors.
  std::vector<config::Diagnostic> errors;
  std::vector<config::Diagnostic> warnings;
};

// Reads every file once, however often it is named. Blocks on the disk.
[[nodiscard]] TlsReading read_tls_files(const config::Snapshot& snapshot,
                                        const config::Environment& environment, WallTime now);

// A configuration with all that it names. `config.snapshot` is null when its TLS files have errors,
// too, which then stand behind the others.
struct Loaded {
  config::LoadOutcome config;
  TlsFiles tls;
};

// Blocks on the disk.
[[nodiscard]] Loaded load_with_files(const std::string& path,
                                     const config::Environment& environment, WallTime now,
                                     const config::Members& members = {});

}  // namespace sluice::control
