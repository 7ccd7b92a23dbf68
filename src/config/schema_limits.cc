#include "schema_limits.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace sluice::config {
namespace {

constexpr std::array kSetFields = with_limit_fields(std::array<Field<LimitSet>, 0>());

// Of requests alone, and of requests in flight, nothing is known only afterwards.
bool is_settled_later(LimitMeasure measure) noexcept {
  return measure != LimitMeasure::kRequests && measure != LimitMeasure::kConcurrency;
}

bool depends_on_answer(LimitMeasure measure) noexcept {
  return is_settled_later(measure) && measure != LimitMeasure::kInputTokens;
}

std::optional<uint64_t> read_budget(Walk& walk, const Node& node) {
  const auto dollars = walk.decimal(node, kDollarsMax);
  if (!dollars) return std::nullopt;
  const auto most = static_cast<uint64_t>(std::llround(*dollars * kMicroPerDollar));
  if (most > 0) return most;
  walk.error(node, "must be more than 0", "write dollars, as 5 or 0.50");
  return std::nullopt;
}

// The amounts that stand in the set, whether they could be read or not.
template <class Matches>
bool has_amount(const Node& node, Matches matches) {
  return std::ranges::any_of(kAmounts, [&](const Amount& amount) {
    return matches(amount) && find_key(node, amount.word) != nullptr;
  });
}

template <class Matches>
void check_option(Walk& walk, const Node& node, std::string_view option, Matches matches,
                  std::string_view needed) {
  const Node* value = find_key(node, option);
  if (value == nullptr || has_amount(node, matches)) return;
  const Walk::Step step(walk, option);
  walk.error(*value, fmt::format("has no effect without {}", needed), "remove it, or add one");
}

// A warning that comes after the refusals is of no use.
void check_soft_budgets(Walk& walk, const Node& node, const LimitSet& set) {
  for (size_t soft = 0; soft < kAmounts.size(); ++soft) {
    if (!kAmounts[soft].is_soft || set.most[soft] == 0) continue;
    for (size_t hard = 0; hard < kAmounts.size(); ++hard) {
      const bool is_pair = kAmounts[hard].measure == kAmounts[soft].measure &&
                           kAmounts[hard].window == kAmounts[soft].window &&
                           !kAmounts[hard].is_soft;
      if (!is_pair || set.most[hard] == 0 || set.most[soft] <= set.most[hard]) continue;
      const Walk::Step step(walk, kAmounts[soft].word);
      walk.warn(*find_key(node, kAmounts[soft].word),
                fmt::format("is above {} and will never be reached", kAmounts[hard].word),
                "lower it");
    }
  }
}

}  // namespace

void read_limit_amount(Walk& walk, const Node& node, size_t amount, LimitSet& set) {
  const LimitMeasure measure = kAmounts[amount].measure;
  std::optional<uint64_t> most;
  if (measure == LimitMeasure::kMicroDollars) {
    most = read_budget(walk, node);
  } else {
    const bool is_concurrency = measure == LimitMeasure::kConcurrency;
    most = walk.count(node, 1, is_concurrency ? kConcurrencyMax : LimitRule::kMostMax);
  }
  if (most) set.most[amount] = *most;
  if (walk.counts_tokens || !is_settled_later(measure)) return;
  walk.error(node, "needs token counts, which `usage: off` does without",
             "write `usage: on`, or limit requests instead");
}

void read_limit_reserve(Walk& walk, const Node& node, LimitSet& set) {
  static constexpr std::array<std::string_view, 3> kWords = {"max", "p95", "none"};
  if (const auto index = walk.choice(node, kWords)) set.reserve = static_cast<Reserve>(*index);
}

void read_limit_on_loss(Walk& walk, const Node& node, LimitSet& set) {
  static constexpr std::array<std::string_view, 3> kWords = {"share", "local", "deny"};
  if (const auto index = walk.choice(node, kWords)) set.on_loss = static_cast<OnLoss>(*index);
  if (walk.has_redis || std::exchange(walk.is_on_loss_told, true)) return;
  walk.warn(node, "has no effect without `redis`: this gateway alone counts",
            "add `redis`, or remove it here and wherever else it stands");
}

void check_limit_set(Walk& walk, const Node& node, const LimitSet& set) {
  if (node.kind != NodeKind::kMapping) return;
  const auto any = [](const Amount&) { return true; };
  const auto requests = [](const Amount& amount) {
    return amount.measure == LimitMeasure::kRequests;
  };
  const auto answers = [](const Amount& amount) { return depends_on_answer(amount.measure); };
  const auto settled = [](const Amount& amount) {
    return is_settled_later(amount.measure) && !amount.is_soft;
  };
  if (!has_amount(node, any)) {
    return walk.error(node, "has no amount", "add one, as `requests_per_minute: 600`");
  }
  check_option(walk, node, "burst", requests, "an amount of requests");
  check_option(walk, node, "reserve", answers, "an amount of output tokens, all tokens or money");
  check_option(walk, node, "stop_streams", settled, "an amount of tokens or money that refuses");
  check_soft_budgets(walk, node, set);
}

void read_limits(Walk& walk, const Node& node, LimitSet& set) {
  read_mapping(walk, node, kSetFields, set);
  check_limit_set(walk, node, set);
}

LimitRule rule_of(const LimitSet& set, size_t index, LimitScope scope, std::string_view owner) {
  const Amount& amount = kAmounts[index];
  const bool is_money = amount.measure == LimitMeasure::kMicroDollars;
  LimitRule rule;
  rule.name = fmt::format("{}/{}", owner, amount.word);
  rule.scope = scope;
  rule.measure = amount.measure;
  rule.most = set.most[index];
  rule.window = amount.window;
  rule.length = amount.length;
  if (amount.measure == LimitMeasure::kRequests) rule.burst = set.burst;
  rule.is_soft = amount.is_soft;
  rule.enforce = set.enforce && !amount.is_soft;
  if (depends_on_answer(amount.measure)) rule.reserve = set.reserve;
  rule.on_loss = set.on_loss.value_or(is_money ? OnLoss::kDeny : OnLoss::kShare);
  rule.stops_streams = set.stops_streams && rule.enforce && is_settled_later(amount.measure);
  return rule;
}

std::vector<LimitId> add_rules(Walk& walk, const Node& at, const LimitSet& set, LimitScope scope,
                               std::string_view owner, Snapshot& snapshot) {
  std::vector<LimitId> ids;
  for (size_t i = 0; i < kAmounts.size(); ++i) {
    if (set.most[i] == 0) continue;
    if (snapshot.limit_rules.size() == kLimitRulesMax) {
      walk.error(at, fmt::format("has a limit beyond the {} that a file may have", kLimitRulesMax),
                 "write one item of `rate_limits` for many keys");
      return ids;
    }
    ids.push_back(LimitId{static_cast<uint32_t>(snapshot.limit_rules.size())});
    snapshot.limit_rules.push_back(rule_of(set, i, scope, owner));
  }
  return ids;
}

}  // namespace sluice::config
