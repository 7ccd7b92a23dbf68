// The ledger that several gateways have together in Redis.
#pragma once

#include <string>

#include <sluice/control/ledger.h>
#include <sluice/store/redis_client.h>

namespace sluice::control {

// One EVALSHA for each call; in a cluster one for each bucket, since a script may touch keys of one
// slot only. Every key has a time to live.
class RedisLedger final : public Ledger {
 public:
  struct Parts {
    store::RedisClient& client;  // Outlives the ledger.
    std::string space;           // The front of every key.
    std::string gateway;         // Of this gateway alone; letters and digits.
    bool is_cluster = false;
  };
  explicit RedisLedger(Parts parts) : parts_(std::move(parts)) {}

  Task<Result<LedgerReply>> ask(const LedgerCall& call, Deadline deadline) override;

  [[nodiscard]] std::string_view name() const noexcept override { return parts_.gateway; }
  void set_name(std::string_view name) override { parts_.gateway = name; }
  [[nodiscard]] std::string_view refusal() const noexcept override { return refusal_; }
  [[nodiscard]] uint64_t commands() const noexcept override {
    return parts_.client.figures().commands;
  }

 private:
  struct Group;  // What one script run is about.
  [[nodiscard]] std::vector<Group> groups_of(const LedgerCall& call) const;
  [[nodiscard]] store::RedisCommand command_of(const LedgerCall& call, const Group& group) const;
  // False when the reply is none of the script's.
  [[nodiscard]] bool read(const store::RedisReply& reply, const Group& group, LedgerReply& into);
  [[nodiscard]] std::string key_in(uint32_t bucket, std::string_view rest) const;

  Parts parts_;
  std::string refusal_;
};

}  // namespace sluice::control
