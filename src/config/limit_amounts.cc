#include <sluice/config/limit_amounts.h>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "schema_limits.h"

namespace sluice::config {
namespace {

constexpr std::array kAmountWords = [] {
  std::array<std::string_view, kAmounts.size()> words;
  for (size_t i = 0; i < words.size(); ++i) words[i] = kAmounts[i].word;
  return words;
}();

bool is_money(const Amount& amount) noexcept {
  return amount.measure == LimitMeasure::kMicroDollars;
}

bool makes(const Amount& amount, const LimitRule& rule) noexcept {
  return amount.measure == rule.measure && amount.window == rule.window &&
         amount.length == rule.length && amount.is_soft == rule.is_soft;
}

// In the unit of the rule.
std::expected<uint64_t, std::string> most_of(const Amount& amount, double most) {
  if (is_money(amount)) {
    // What is not a number is refused, too.
    if (most > 0 && most <= kDollarsMax) {
      const auto micro = static_cast<uint64_t>(std::llround(most * kMicroPerDollar));
      if (micro > 0) return micro;
    }
    return std::unexpected(fmt::format("{} must be more than 0 dollars, and at most {:.0f}",
                                       amount.word, kDollarsMax));
  }
  const uint64_t bound =
      amount.measure == LimitMeasure::kConcurrency ? kConcurrencyMax : LimitRule::kMostMax;
  if (most >= 1 && most <= static_cast<double>(bound) && std::trunc(most) == most) {
    return static_cast<uint64_t>(most);
  }
  return std::unexpected(fmt::format("{} must be a whole number from 1 to {}", amount.word, bound));
}

}  // namespace

std::span<const std::string_view> limit_words() noexcept { return kAmountWords; }

std::expected<void, std::string> add_limit(std::vector<LimitRule>& rules, LimitScope scope,
                                           std::string_view owner, std::string_view word,
                                           double most) {
  const auto amount = std::ranges::find(kAmounts, word, &Amount::word);
  if (amount == kAmounts.end()) {
    const std::string_view near = nearest(word, kAmountWords);
    return std::unexpected(
        near.empty() ? fmt::format("`{:.64}` is no limit; those are: {}", word,
                                   fmt::join(kAmountWords, ", "))
                     : fmt::format("`{:.64}` is no limit; did you mean `{}`?", word, near));
  }
  if (std::ranges::any_of(rules, [&](const LimitRule& rule) { return makes(*amount, rule); })) {
    return std::unexpected(fmt::format("{} is there already; give it once", word));
  }
  const auto units = most_of(*amount, most);
  if (!units) return std::unexpected(units.error());
  const auto index = static_cast<size_t>(amount - kAmounts.begin());
  LimitSet set;
  set.most[index] = *units;
  rules.push_back(rule_of(set, index, scope, owner));
  return {};
}

std::string_view limit_word_of(const LimitRule& rule) noexcept {
  const auto amount = std::ranges::find_if(
      kAmounts, [&](const Amount& candidate) { return makes(candidate, rule); });
  return amount == kAmounts.end() ? std::string_view() : amount->word;
}

double limit_amount_of(const LimitRule& rule) noexcept {
  const auto most = static_cast<double>(rule.most);
  return rule.measure == LimitMeasure::kMicroDollars ? most / kMicroPerDollar : most;
}

}  // namespace sluice::config
