// The operator's interface on the Unix socket: each command a small file.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <sluice/control/operations.h>
#include <sluice/control/small_server.h>
#include <sluice/metrics/registry.h>
#include <sluice/shard/shard.h>

namespace sluice::admin {

// One shard as `GET /v1/shards` shows it.
struct ShardSeat {
  int cpu = -1;                          // The core it is bound to; negative for none.
  const shard::Shard* thread = nullptr;  // Null in tests.
};

// Everything outlives the service.
struct AdminParts {
  control::Operations& operations;
  const metrics::Registry& registry;
  std::span<const ShardSeat> shards;
  std::string_view version;
};

// Control thread only. Its socket's mode (0600) is its access control: there are no keys here.
class AdminService final : public control::SmallService {
 public:
  explicit AdminService(AdminParts parts) noexcept : parts_(parts) {}

  Task<control::SmallAnswer> answer(const control::SmallRequest& request) override;

 private:
  AdminParts parts_;
};

}  // namespace sluice::admin
