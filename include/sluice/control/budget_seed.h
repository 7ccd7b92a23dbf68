// Budgets of a process that begins: what was spent before it.
#pragma once

#include <sluice/config/snapshot.h>
#include <sluice/control/spend_book.h>
#include <sluice/limit/bank_table.h>

namespace sluice::control {

// Counts in the banks of budgets what `book` says was spent in their window, where nothing is
// counted yet: at start, and for a budget that a reload brings. Of keys, tenants and models, whose
// spend is in the book; not of addresses, deployments, a key's use of a model, or the gateway.
// Control thread.
void seed_budgets(const config::Snapshot& snapshot, const SpendBook& book, limit::BankTable& banks,
                  WallTime wall, MonoTime now);

}  // namespace sluice::control
