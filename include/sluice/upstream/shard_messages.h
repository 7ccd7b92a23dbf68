// What the control thread and the shards say to each other about configuration and draining.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include <sluice/base/ids.h>
#include <sluice/config/snapshot.h>
#include <sluice/metrics/cells.h>
#include <sluice/net/address.h>
#include <sluice/net/tls.h>

namespace sluice::upstream {

// A snapshot with all that one shard needs to serve it. It must live until SnapshotReleased.
// What a shard secures its connections with, made of the files that the snapshot names.
struct ShardTls {
  std::unique_ptr<net::TlsServer> server;                // Null for a plain listener.
  std::vector<std::unique_ptr<net::TlsClient>> clients;  // By UpstreamId; null for plain ones.
};

struct AdoptSnapshot {
  const config::Snapshot* snapshot = nullptr;
  metrics::SnapshotCells cells;
  // By UpstreamId; empty for a name that does not resolve (yet).
  std::vector<std::vector<net::Address>> addresses;
  ShardTls tls;
};

// The keys of session tickets have turned.
struct UpdateTicketKeys {
  net::TicketKeys keys;
};

// New addresses of one upstream; ignored when the shard has moved on to another generation.
struct UpdateAddresses {
  uint64_t generation = 0;
  UpstreamId upstream;
  std::vector<net::Address> addresses;
};

struct BeginDrain {};   // Stop accepting, close idle connections, refuse new work.
struct CutStreams {};   // End running streams with an error event.
struct KillStreams {};  // Close what is still open.

// What a drain tells all shards alike.
using DrainCommand = std::variant<BeginDrain, CutStreams, KillStreams>;

using ShardCommand = std::variant<std::monostate, AdoptSnapshot, UpdateAddresses, UpdateTicketKeys,
                                  BeginDrain, CutStreams, KillStreams>;

// No exchange of this shard uses the snapshot any more.
struct SnapshotReleased {
  uint64_t generation = 0;
};
// The last report: nothing is left on the shard, and its loop ends.
struct ShardDrained {};

using ShardReport = std::variant<std::monostate, SnapshotReleased, ShardDrained>;

}  // namespace sluice::upstream
