// The board of gateways that have a Redis in common.
#pragma once

#include <string>

#include <sluice/control/stats_reconciler.h>
#include <sluice/store/redis_client.h>

namespace sluice::control {

// One hash, by gateway, written and read by one script. It expires when nobody writes.
class RedisStatsBoard final : public StatsBoard {
 public:
  struct Parts {
    store::RedisClient& client;  // Outlives the board.
    std::string space;           // The front of the key.
    std::string gateway;         // Of this process alone; letters and digits.
  };
  explicit RedisStatsBoard(Parts parts) : parts_(std::move(parts)) {}

  Task<Result<std::vector<GatewayText>>> swap(std::string own, Deadline deadline) override;

 private:
  Parts parts_;
};

}  // namespace sluice::control
