#include <sluice/control/budget_seed.h>

#include <sluice/limit/subjects.h>

namespace sluice::control {
namespace {

void seed_one(const config::LimitRule& rule, SpendSubject subject, std::string_view name,
              const SpendBook& book, limit::BankTable& banks, WallTime wall, MonoTime now) {
  if (rule.measure != config::LimitMeasure::kMicroDollars) return;
  const limit::BankKey key = limit::key_of(rule, name);
  if (banks.find(key) != nullptr) return;
  const uint64_t spent = book.spent(subject, name, rule.window, wall);
  limit::Bank* const bank = spent > 0 ? banks.open(key, limit::terms_of(rule)) : nullptr;
  if (bank == nullptr) return;
  bank->owe(static_cast<int64_t>(spent), banks.clock().at(now));
  banks.close(*bank);
}

}  // namespace

void seed_budgets(const config::Snapshot& snapshot, const SpendBook& book, limit::BankTable& banks,
                  WallTime wall, MonoTime now) {
  const auto seed = [&](SpendSubject subject, const auto& owners) {
    for (const auto& owner : owners) {
      for (const LimitId id : owner.limits) {
        seed_one(snapshot.limit_rules[id.value], subject, owner.name, book, banks, wall, now);
      }
    }
  };
  seed(SpendSubject::kKey, snapshot.keys);
  seed(SpendSubject::kTenant, snapshot.tenants);
  seed(SpendSubject::kModel, snapshot.models);
}

void StoredBudgetSeed::seed(SpendSubject subject, std::string_view name,
                            const std::vector<config::LimitRule>& rules) {
  for (const config::LimitRule& rule : rules) {
    seed_one(rule, subject, name, book_, banks_, clock_.wall(), clock_.now());
  }
}

void StoredBudgetSeed::seed_all(const auth::Directory& directory) {
  for (const std::string& name : book_.names(SpendSubject::kKey)) {
    const std::optional<auth::FoundKey> key = directory.find_by_id(name);
    if (key) seed(SpendSubject::kKey, name, key->terms->limits);
  }
  for (const std::string& name : book_.names(SpendSubject::kTenant)) {
    const auth::Owner* const owner = directory.find_owner(name);
    if (owner != nullptr) seed(SpendSubject::kTenant, name, owner->limits);
  }
}

void StoredBudgetSeed::before_change(const auth::DirectoryChange& change) {
  for (const auth::KeyRecord& key : change.keys) seed(SpendSubject::kKey, key.id, key.limits);
  for (const auth::Owner& owner : change.owners) {
    seed(SpendSubject::kTenant, owner.id, owner.limits);
  }
}

}  // namespace sluice::control
