// What the connections of one shard share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <sluice/io/ring.h>
#include <sluice/json/envelope_reader.h>
#include <sluice/net/tls.h>

#include "figures.h"
#include "shape.h"
#include "text.h"

namespace sluice::sim {

struct Options {
  std::vector<std::string> models;
  Shape shape;           // Of requests that ask for no other.
  bool records = false;  // Whether requests are kept for /sim/last.
};

// Lives as long as the shard's ring; `options`, `tape` and `figures` belong to the process.
struct Site {
  const Options& options;
  const Tape& tape;
  Figures& figures;
  ShardFigures& counts;
  io::Ring& ring;
  uint64_t next_number;  // Of the next answer; shards count in ranges of their own.
  json::EnvelopeReader envelope;
  std::unique_ptr<net::TlsServer> tls;  // Null where clients speak plain HTTP.
};

}  // namespace sluice::sim
