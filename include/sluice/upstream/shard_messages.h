// What the control thread and the shards say to each other about configuration and draining.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include <sluice/base/ids.h>
#include <sluice/base/place_bank.h>
#include <sluice/config/snapshot.h>
#include <sluice/metrics/cells.h>
#include <sluice/net/address.h>
#include <sluice/net/descriptor_message.h>
#include <sluice/net/tls.h>

namespace sluice::upstream {

// A snapshot with all that one shard needs to serve it. It must live until SnapshotReleased.
// What a shard secures its connections with, made of the files that the snapshot names.
struct ShardTls {
  std::unique_ptr<net::TlsServer> server;                // Null for a plain listener.
  std::vector<std::unique_ptr<net::TlsClient>> clients;  // By UpstreamId; null for plain ones.
};

// Where the shards take the places of the whole process from. Vectors are empty and pointers null
// where nothing can be limited; a bank without a limit always has a place.
struct SnapshotPlaces {
  PlaceBank* process = nullptr;
  std::vector<PlaceBank*> upstreams;  // By UpstreamId.
  std::vector<PlaceBank*> probes;     // By UpstreamId: requests that try a half-open breaker.
  std::vector<PlaceBank*> models;     // By ModelId.
  std::vector<PlaceBank*> queues;     // By ModelId: places in line.
};

struct AdoptSnapshot {
  const config::Snapshot* snapshot = nullptr;
  metrics::SnapshotCells cells;
  // By UpstreamId; empty for a name that does not resolve (yet).
  std::vector<std::vector<net::Address>> addresses;
  ShardTls tls;
  SnapshotPlaces places;
  int listen_fd = -1;  // To be listened on in place of the socket before; the shard takes it over.
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

// What control knows of a deployment that this shard cannot see by itself: of the other shards and
// gateways as of the last tick, of active checks, of operators. Times without news are min().
struct DeploymentNews {
  uint32_t in_flight = 0;
  Duration first_token{};  // Means of the others; zero when nothing is known.
  Duration whole{};
  uint64_t minute_tokens = 0;
  // The last change of a breaker and of a cooldown anywhere; the later change holds.
  MonoTime breaker_at = MonoTime::min();
  MonoTime breaker_until = MonoTime::min();
  uint8_t breaker_state = 0;  // resilience::BreakerState.
  uint32_t breaker_successes = 0;
  MonoTime cooldown_at = MonoTime::min();
  MonoTime cooldown_until = MonoTime::min();
  MonoTime ejected_until = MonoTime::min();
  bool is_down = false;
  bool is_drained = false;
  bool operator==(const DeploymentNews&) const = default;
};

// The whole state with each tick that has something new; to hear it twice changes nothing. Ignored
// when the shard has moved on to another generation.
struct UpdateDeployments {
  uint64_t generation = 0;
  std::vector<DeploymentNews> news;  // By UpstreamId.
  bool operator==(const UpdateDeployments&) const = default;
};

// A place was handed to this shard; see PlacesHanded.
struct LookForPlaces {};

// The ledger has answered: requests that wait for it try again.
struct GrantsCame {};

// One more socket to be listened on, which the shard takes over.
struct ListenToo {
  int fd = -1;
};

// A connection of the predecessor; the shard takes its descriptor over.
struct TakeConnection {
  net::PassedConnection connection;
};

// Drain in favour of the successor, to whom plain connections without a running request go through
// `channel`, which outlives the shard.
struct BeginHandOver {
  int channel = -1;
  bool keeps_listener = false;  // The successor has the sockets listened on, too.
};

struct BeginDrain {};   // Stop accepting, close idle connections, refuse new work.
struct CutStreams {};   // End running streams with an error event.
struct KillStreams {};  // Close what is still open.

// What a drain tells all shards alike.
using DrainCommand = std::variant<BeginDrain, BeginHandOver, CutStreams, KillStreams>;

using ShardCommand =
    std::variant<std::monostate, AdoptSnapshot, UpdateAddresses, UpdateTicketKeys,
                 UpdateDeployments, LookForPlaces, GrantsCame, ListenToo, TakeConnection,
                 BeginHandOver, BeginDrain, CutStreams, KillStreams>;

// No exchange of this shard uses the snapshot any more.
struct SnapshotReleased {
  uint64_t generation = 0;
};
// A breaker or cooldown has changed here; the others should hear of it now.
struct HealthChanged {};
// Shards to be woken, because a place was handed to them. By the control thread, since a shard's
// ring may be gone before another shard knows.
struct PlacesHanded {
  std::array<uint64_t, 4> shards{};  // A bit each.
};
// The last report: nothing is left on the shard, and its loop ends.
struct ShardDrained {};

using ShardReport =
    std::variant<std::monostate, SnapshotReleased, HealthChanged, PlacesHanded, ShardDrained>;

}  // namespace sluice::upstream
