// Budgets of a process that begins: what was spent before it.
#pragma once

#include <sluice/auth/directory.h>
#include <sluice/base/clock.h>
#include <sluice/config/snapshot.h>
#include <sluice/control/key_desk.h>
#include <sluice/control/spend_book.h>
#include <sluice/limit/bank_table.h>

namespace sluice::control {

// Counts in the banks of budgets what `book` says was spent in their window, where nothing is
// counted yet: at start, and for a budget that a reload brings. Of keys, tenants and models, whose
// spend is in the book; not of addresses, deployments, a key's use of a model, or the gateway.
// Control thread.
void seed_budgets(const config::Snapshot& snapshot, const SpendBook& book, limit::BankTable& banks,
                  WallTime wall, MonoTime now);

// The same for keys of the store and their owners: for all that the book names when the process
// begins, and for what a change brings, before it is in force. Control thread.
class StoredBudgetSeed final : public KeyChangeObserver {
 public:
  // All outlive it.
  StoredBudgetSeed(const SpendBook& book, limit::BankTable& banks, Clock& clock) noexcept
      : book_(book), banks_(banks), clock_(clock) {}

  void seed_all(const auth::Directory& directory);
  void before_change(const auth::DirectoryChange& change) override;

 private:
  void seed(SpendSubject subject, std::string_view name,
            const std::vector<config::LimitRule>& rules);

  const SpendBook& book_;
  limit::BankTable& banks_;
  Clock& clock_;
};

}  // namespace sluice::control
