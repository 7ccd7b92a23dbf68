// What simulated gateways are made of: configurations, certificates, random numbers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <sluice/config/snapshot.h>
#include <sluice/upstream/shard_messages.h>

#include "sim_world.h"

namespace sluice::sim {

// From now on the program draws its random numbers from `seed`.
void seed_random_numbers(uint64_t seed);

// `text` is without `listen` and `development`, which are added. Names nothing outside.
[[nodiscard]] std::unique_ptr<config::Snapshot> load_config(const std::string& text,
                                                            uint64_t generation);

// A name resolves to nothing here: it stands for an upstream that cannot be found.
[[nodiscard]] std::vector<net::Address> addresses_of(const config::Endpoint& endpoint);

// Peers that are made from now on speak TLS, with `preface` before it; the library is OpenSSL, so
// that each side is held to the protocol and not to itself. Clients offer `protocol` by ALPN,
// unless it is "".
void secure_peers(support::SimWorld& world, const std::string& preface,
                  const std::string& protocol = {});
[[nodiscard]] std::unique_ptr<support::PeerLayer> make_client_layer(const std::string& protocol);

// For one shard, as `snapshot` says.
[[nodiscard]] upstream::ShardTls make_tls(const config::Snapshot& snapshot);

}  // namespace sluice::sim
