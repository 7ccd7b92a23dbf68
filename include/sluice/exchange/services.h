// What exchanges work with on their shard; owned by the worker.
#pragma once

#include <sluice/base/byte_budget.h>
#include <sluice/base/log.h>
#include <sluice/crypto/random.h>
#include <sluice/exchange/generation.h>
#include <sluice/exchange/grant_room.h>
#include <sluice/exchange/key_room.h>
#include <sluice/exchange/waiting_room.h>
#include <sluice/io/block_pool.h>
#include <sluice/io/ring.h>
#include <sluice/json/envelope_reader.h>
#include <sluice/json/field_reader.h>
#include <sluice/limit/rate_limiter.h>
#include <sluice/metrics/cells.h>
#include <sluice/telemetry/record_ring.h>
#include <sluice/usage/spend_record.h>

namespace sluice::exchange {

using SpendRing = telemetry::BasicRing<usage::SpendRecord>;

struct Services {
  io::Ring& ring;
  io::BlockPool& blocks;
  ByteBudget& budget;
  json::EnvelopeReader& envelope_reader;
  json::FieldReader& field_reader;
  crypto::RandomSource& random;
  metrics::ShardCells& cells;
  telemetry::RecordRing& records;
  WaitingRoom& waiting_room;
  limit::RateLimiter& limiter;
  GrantRoom& grants;
  KeyRoom& keys;
  Logger& log;                 // Must not block.
  SpendRing* spend = nullptr;  // Null without a journal.
  ShardId shard;
  uint64_t exchanges = 0;            // Dispatched so far on this shard.
  io::Ring* control_ring = nullptr;  // Woken when many records wait; null in tests.
  Generation* generation = nullptr;  // The present one; exchanges pin it when they begin.
  bool is_draining = false;
};

}  // namespace sluice::exchange
