// Limits that come from elsewhere than the configuration file: the key store, sources of keys.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/config/limiting.h>

namespace sluice::config {

// "requests_per_minute", "budget_per_day" and all others that a section `limits` knows; without its
// options (`burst`, `enforce`, ...).
[[nodiscard]] std::span<const std::string_view> limit_words() noexcept;

// Adds the rule that `word` stands for, named "<owner>/<word>", such as "key/requests_per_minute".
// `most` is a count, or dollars for budgets. The error is a sentence without the word's place: an
// unknown word (with what was perhaps meant), one that is there already, an amount out of range.
[[nodiscard]] std::expected<void, std::string> add_limit(std::vector<LimitRule>& rules,
                                                         LimitScope scope, std::string_view owner,
                                                         std::string_view word, double most);

// The word of a rule that add_limit() made, and its amount as it was given.
[[nodiscard]] std::string_view limit_word_of(const LimitRule& rule) noexcept;
[[nodiscard]] double limit_amount_of(const LimitRule& rule) noexcept;

}  // namespace sluice::config
