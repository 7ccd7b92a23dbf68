// The operator's interface: HTTP/1.1 and JSON on a Unix socket, and on a second listener for keys.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <sluice/base/clock.h>
#include <sluice/base/log.h>
#include <sluice/config/origin_rules.h>
#include <sluice/control/config_work.h>
#include <sluice/control/key_desk.h>
#include <sluice/control/operations.h>
#include <sluice/control/small_server.h>
#include <sluice/control/usage_question.h>
#include <sluice/limit/bank_table.h>
#include <sluice/metrics/registry.h>
#include <sluice/shard/shard.h>

namespace sluice::admin {

// One shard as `GET /v1/shards` shows it.
struct ShardSeat {
  int cpu = -1;                          // The core it is bound to; negative for none.
  const shard::Shard* thread = nullptr;  // Null in tests.
};

// The key store as admin calls reach it: what control::KeyDesk does, replaceable in tests.
class KeyWork {
 public:
  virtual ~KeyWork() = default;
  [[nodiscard]] virtual bool has_store() const noexcept = 0;
  // As KeyDesk::run() and present().
  virtual Task<std::expected<void, std::string>> run(control::KeyDesk::Job job) = 0;
  [[nodiscard]] virtual auth::Directory present() const noexcept = 0;
};

class DeskWork final : public KeyWork {
 public:
  explicit DeskWork(control::KeyDesk& desk) noexcept : desk_(desk) {}
  [[nodiscard]] bool has_store() const noexcept override { return desk_.has_store(); }
  Task<std::expected<void, std::string>> run(control::KeyDesk::Job job) override {
    return desk_.run(std::move(job));
  }
  [[nodiscard]] auth::Directory present() const noexcept override { return desk_.present(); }

 private:
  control::KeyDesk& desk_;
};

// Everything outlives the service.
struct AdminParts {
  control::Operations& operations;
  metrics::Registry& registry;
  Clock& clock;
  Logger& log;
  std::span<const ShardSeat> shards;
  std::string_view version;
  KeyWork* keys = nullptr;                 // Null is as without a store.
  control::UsageAnswers* usage = nullptr;  // Null without a usage log.
  control::ConfigWork* config = nullptr;   // Null in tests without a configuration's file.
  limit::BankTable* banks = nullptr;       // Null in tests without limits.
  std::optional<MonoTime> started{};       // Of the process.
};

// How often each address has shown a wrong token lately, so that none can be guessed. Addresses
// whose hash is the same share a count; nothing grows.
class FailureCounts {
 public:
  static constexpr uint32_t kFailuresMost = 10;
  static constexpr Duration kPeriod = seconds(60);

  FailureCounts() noexcept;
  // Whether `address` has used up its failures of the present period.
  [[nodiscard]] bool is_spent(std::string_view address, MonoTime now) const noexcept;
  void add(std::string_view address, MonoTime now) noexcept;

 private:
  static constexpr size_t kSlots = 1024;
  struct Slot {
    MonoTime begun = MonoTime::min();
    uint32_t failures = 0;
  };
  [[nodiscard]] size_t index_of(std::string_view address) const noexcept;

  uint64_t seed_;
  std::array<Slot, kSlots> slots_{};
};

// Control thread only. Serves both listeners: whoever may open the Unix socket may do everything,
// on the other one keys of the store (and the bootstrap token) have the rights that they carry.
class AdminService final : public control::SmallService {
 public:
  explicit AdminService(AdminParts parts) noexcept : parts_(parts) {}

  Task<control::SmallAnswer> answer(const control::SmallRequest& request) override;

 private:
  // `is_foreign` when a page sent it that may not.
  Task<control::SmallAnswer> let_in(const control::SmallRequest& request, bool is_foreign);
  // Of the configuration in force; until the next call.
  [[nodiscard]] const config::OriginRules& origins();

  AdminParts parts_;
  config::OriginRules origins_;
  uint64_t origins_generation_ = 0;  // That they are of.
  FailureCounts failures_;
};

}  // namespace sluice::admin
