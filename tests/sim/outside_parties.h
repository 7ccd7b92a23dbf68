// Redis and the name server of a simulated region, which fail when they are told to.
#pragma once

#include <set>
#include <string>

#include <sluice/control/ledger.h>
#include <sluice/io/timer.h>
#include <sluice/net/resolver.h>

#include "model_ledger.h"
#include "sim_world.h"

namespace sluice::sim {

// The ledger that all gateways share, and the network before it.
struct LedgerSite {
  support::ModelLedger model;
  bool is_down = false;
  std::set<std::string> cut_off;  // Gateways that do not reach it.
  bool was_ever_lost = false;     // By a fault.
  uint32_t loses_per_mille = 0;   // Messages.
};

// One gateway's way to it.
class SimLedger final : public control::Ledger {
 public:
  SimLedger(support::SimWorld& world, LedgerSite& site, std::string name)
      : world_(world), site_(site), prng_(world.random().fork()), name_(std::move(name)) {}

  Task<Result<control::LedgerReply>> ask(const control::LedgerCall& call,
                                         Deadline deadline) override;
  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  void set_name(std::string_view name) override { name_ = name; }
  // Of the gateway's control thread, before its first question.
  void set_ring(io::Ring& ring) noexcept { ring_ = &ring; }

 private:
  [[nodiscard]] bool is_lost();
  [[nodiscard]] Duration way();

  support::SimWorld& world_;
  LedgerSite& site_;
  support::Prng prng_;
  std::string name_;
  io::Ring* ring_ = nullptr;
};

// Knows u0.test, u1.test ... as long as it does not fail.
class SimResolver final : public net::Resolver {
 public:
  bool fails = false;

  Task<std::expected<net::NameAnswer, std::string>> find_addresses(std::string host,
                                                                   uint16_t port) override;
  Task<std::expected<std::vector<net::ServiceRecord>, std::string>> resolve_srv(
      std::string name) override;
  Task<void> end() override { co_return; }
};

}  // namespace sluice::sim
