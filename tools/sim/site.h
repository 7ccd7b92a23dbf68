// What the connections of one shard share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <sluice/io/ring.h>
#include <sluice/json/envelope_reader.h>
#include <sluice/net/tls.h>

#include "figures.h"
#include "slots.h"
#include "standing.h"
#include "text.h"

namespace sluice::sim {

struct Options {
  std::vector<std::string> models;
  bool records = false;  // Whether requests are kept for /sim/last.
  uint64_t seed = 1;     // Of what happens to some requests only.
};

// Lives as long as the shard's ring; `options`, `shared`, `tape` and `figures` belong to the
// process.
struct Site {
  const Options& options;
  SharedStanding& shared;
  const Tape& tape;
  Figures& figures;
  ShardFigures& counts;
  io::Ring& ring;
  uint64_t next_number;  // Of the next answer; shards count in ranges of their own.
  json::EnvelopeReader envelope;
  std::unique_ptr<net::TlsServer> tls;  // Null where clients speak plain HTTP.
  uint64_t draws = 0;                   // Requests that were given a number to decide chances by.
  Slots slots;

  // What the server is like now.
  [[nodiscard]] const Standing& standing() {
    if (const uint64_t version = shared.version(); version != version_) {
      standing_ = shared.copy();
      version_ = version;
    }
    return standing_;
  }

  Standing standing_ = {};
  uint64_t version_ = 0;  // Of standing_; 0 is before the first.
};

}  // namespace sluice::sim
