#include <sluice/control/budget_seed.h>

#include <sluice/limit/subjects.h>

namespace sluice::control {

void seed_budgets(const config::Snapshot& snapshot, const SpendBook& book, limit::BankTable& banks,
                  WallTime wall, MonoTime now) {
  const limit::LimitTime time = banks.clock().at(now);
  const auto seed = [&](SpendSubject subject, const auto& owners) {
    for (const auto& owner : owners) {
      for (const LimitId id : owner.limits) {
        const config::LimitRule& rule = snapshot.limit_rules[id.value];
        if (rule.measure != config::LimitMeasure::kMicroDollars) continue;
        const limit::BankKey key = limit::key_of(rule, owner.name);
        if (banks.find(key) != nullptr) continue;
        const uint64_t spent = book.spent(subject, owner.name, rule.window, wall);
        limit::Bank* const bank = spent > 0 ? banks.open(key, limit::terms_of(rule)) : nullptr;
        if (bank == nullptr) continue;
        bank->owe(static_cast<int64_t>(spent), time);
        banks.close(*bank);
      }
    }
  };
  seed(SpendSubject::kKey, snapshot.keys);
  seed(SpendSubject::kTenant, snapshot.tenants);
  seed(SpendSubject::kModel, snapshot.models);
}

}  // namespace sluice::control
