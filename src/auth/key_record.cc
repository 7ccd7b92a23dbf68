#include <sluice/auth/key_record.h>

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include <sluice/config/limit_amounts.h>
#include <sluice/json/value.h>

namespace sluice::auth {
namespace {

constexpr int64_t kYear10000 = 253'402'300'800'000'000;  // In Unix microseconds.
constexpr uint8_t kBitsMax = 128;
constexpr uint32_t kMetadataDepthMax = 16;

using Check = std::expected<void, FieldFault>;

Check fault(std::string_view field, std::string_view text) {
  return std::unexpected(FieldFault{std::string(field), fmt::format("{} {}", field, text)});
}

bool is_letter_or_digit(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_name(std::string_view text) noexcept {
  return text.size() <= kNameBytesMax && std::ranges::all_of(text, [](char c) {
           return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-' || c == ' ';
         });
}

Check check_name(std::string_view field, std::string_view text) {
  if (is_name(text)) return {};
  return fault(field, "must be up to 64 letters, digits, dots, underscores, hyphens and spaces");
}

// Colons are of ids that other sources give.
Check check_id(std::string_view field, std::string_view id) {
  const bool is_good =
      id.size() <= kIdBytesMax && std::ranges::all_of(id, [](char c) {
        return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-' || c == ':';
      });
  if (is_good) return {};
  return fault(field, "must be up to 40 letters, digits, dots, underscores, hyphens and colons");
}

Check check_globs(std::string_view field, std::span<const std::string> globs) {
  if (globs.size() > kGlobsMax) return fault(field, fmt::format("may have {} names", kGlobsMax));
  for (const std::string& glob : globs) {
    const bool is_plain = std::ranges::all_of(
        glob, [](char c) { return static_cast<unsigned char>(c) > ' ' && c != '\x7f'; });
    if (glob.empty() || glob.size() > kGlobBytesMax || !is_plain) {
      return fault(field, fmt::format("must hold names of 1 to {} bytes without spaces, in which "
                                      "`*` is any characters",
                                      kGlobBytesMax));
    }
  }
  return {};
}

// Through the words, so that what is kept as words is what was meant.
Check check_limit(std::string_view field, const config::LimitRule& rule) {
  std::vector<config::LimitRule> made;
  const std::string_view word = config::limit_word_of(rule);
  if (word.empty()) return fault(field, "holds a rule that no word stands for");
  const auto added = config::add_limit(made, rule.scope, "", word, config::limit_amount_of(rule));
  if (!added) return fault(field, "is wrong: " + added.error());
  made[0].name = rule.name;
  if (made[0] == rule) return {};
  return fault(field, "has options, which limits of the configuration file alone can have");
}

Check check_limits(std::span<const config::LimitRule> limits) {
  if (limits.size() > kRecordLimitsMax) {
    return fault("limits", fmt::format("may have {} at the most", kRecordLimitsMax));
  }
  std::vector<std::string_view> words;
  for (const config::LimitRule& rule : limits) {
    if (auto good = check_limit("limits", rule); !good) return good;
    const std::string_view word = config::limit_word_of(rule);
    if (std::ranges::count(words, word) > 0) return fault("limits", "has one of them twice");
    words.push_back(word);
  }
  return {};
}

Check check_model_limits(std::span<const ModelRule> rules) {
  constexpr std::string_view kField = "model_limits";
  if (rules.size() > kModelRulesMax) {
    return fault(kField, fmt::format("may have {} at the most", kModelRulesMax));
  }
  for (const ModelRule& rule : rules) {
    if (auto good = check_globs(kField, {&rule.models, 1}); !good) return good;
    if (auto good = check_limit(kField, rule.rule); !good) return good;
    const auto same = std::ranges::count_if(rules, [&](const ModelRule& other) {
      return other.models == rule.models &&
             config::limit_word_of(other.rule) == config::limit_word_of(rule.rule);
    });
    if (same > 1) return fault(kField, "has one limit of one name twice");
  }
  return {};
}

Check check_ranges(std::string_view field, std::span<const config::AddressRange> ranges) {
  if (ranges.size() > kRangesMax) {
    return fault(field, fmt::format("may have {} ranges", kRangesMax));
  }
  const bool is_good =
      std::ranges::all_of(ranges, [](const auto& range) { return range.bits <= kBitsMax; });
  return is_good ? Check{} : fault(field, "has a range of more than 128 bits");
}

Check check_tags(std::span<const std::string> tags) {
  if (tags.size() > kTagsMax) return fault("tags", fmt::format("may have {}", kTagsMax));
  for (const std::string& tag : tags) {
    if (tag.empty()) return fault("tags", "may not have an empty one");
    if (auto good = check_name("tags", tag); !good) return good;
    if (std::ranges::count(tags, tag) > 1) return fault("tags", "has one twice");
  }
  return {};
}

Check check_metadata(std::string_view metadata) {
  if (metadata.empty()) return {};
  if (metadata.size() > kMetadataBytesMax) {
    return fault("metadata", fmt::format("may have {} bytes", kMetadataBytesMax));
  }
  const auto value =
      json::parse_value(metadata, {.bytes_max = kMetadataBytesMax, .depth_max = kMetadataDepthMax});
  if (value && value->as_object() != nullptr) return {};
  return fault("metadata", value
                               ? fmt::format("must be a JSON object, and is {}", value->kind_name())
                               : fmt::format("must be a JSON object: {}", value.error()));
}

Check check_date(std::string_view field, std::optional<WallTime> date) {
  if (!date || (date->unix_us > 0 && date->unix_us < kYear10000)) return {};
  return fault(field, "must be a time between 1970 and the year 10000");
}

Check check_dates(const KeyRecord& record) {
  if (auto good = check_date("not_before", record.not_before); !good) return good;
  if (auto good = check_date("expires", record.expires); !good) return good;
  if (auto good = check_date("former_until", record.former_until); !good) return good;
  if (record.not_before && record.expires && *record.not_before >= *record.expires) {
    return fault("expires", "must be after not_before");
  }
  return {};
}

Check check_numbers(const KeyRecord& record) {
  if (static_cast<size_t>(record.kind) >= kKeyKindNames.size()) {
    return fault("kind", "must be inference, management or read_only");
  }
  if (record.weight < 1 || record.weight > kWeightMax) {
    return fault("weight", "must be a number from 1 to 1000");
  }
  if (record.priority_max > kPriorityMax) {
    return fault("priority_max", "must be a number from 0 to 255");
  }
  return {};
}

Check check_prefix(std::string_view prefix) {
  const bool is_plain = std::ranges::all_of(prefix, [](char c) { return c > ' ' && c < '\x7f'; });
  if (is_plain && prefix.size() <= kPrefixBytesMax) return {};
  return fault("prefix", "must be up to 16 printable characters");
}

}  // namespace

Check check_record(const KeyRecord& record) {
  Check good = check_id("id", record.id);
  if (good) good = check_name("name", record.name);
  if (good) good = check_prefix(record.prefix);
  if (good) good = check_numbers(record);
  if (good) good = check_id("organisation", record.organisation);
  if (good) good = check_id("team", record.team);
  if (good) good = check_id("user", record.user);
  if (good) good = check_dates(record);
  if (good) good = check_globs("models", record.models);
  if (good) good = check_limits(record.limits);
  if (good) good = check_model_limits(record.model_limits);
  if (good) good = check_ranges("allowed_addresses", record.allowed_addresses);
  if (good) good = check_ranges("denied_addresses", record.denied_addresses);
  if (good) good = check_tags(record.tags);
  if (good) good = check_metadata(record.metadata);
  return good;
}

Check check_owner(const Owner& owner) {
  if (static_cast<size_t>(owner.level) >= kOwnerLevelNames.size()) {
    return fault("level", "must be organisation, team or user");
  }
  if (owner.name.empty()) return fault("name", "must be given");
  Check good = check_id("id", owner.id);
  if (good) good = check_name("name", owner.name);
  if (good) good = check_id("organisation", owner.organisation);
  if (good) good = check_id("team", owner.team);
  if (good && owner.level == OwnerLevel::kOrganisation && !owner.organisation.empty()) {
    good = fault("organisation", "may not be given for an organisation");
  }
  if (good && owner.level != OwnerLevel::kUser && !owner.team.empty()) {
    good = fault("team", "may be given for a user alone");
  }
  if (good) good = check_date("expires", owner.expires);
  if (good) good = check_globs("models", owner.models);
  if (good) good = check_limits(owner.limits);
  if (good) good = check_metadata(owner.metadata);
  return good;
}

}  // namespace sluice::auth
