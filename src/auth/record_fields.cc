#include <sluice/auth/record_fields.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include <sluice/config/address_text.h>
#include <sluice/config/limit_amounts.h>

#include "field_values.h"

namespace sluice::auth {
namespace {

using config::LimitScope;
using json::Value;
using Outcome = std::expected<void, std::string>;

constexpr int64_t kWeightMost = 1000;
constexpr int64_t kPriorityMost = 255;
constexpr size_t kPrefixMost = 16;
constexpr size_t kIdDigits = 24;

Outcome wrong(std::string cause) { return std::unexpected(std::move(cause)); }

// The first digits of a digest, which tell keys apart that have no id of their own.
std::string digits_of(const crypto::Digest& digest) {
  std::string text;
  for (size_t i = 0; i < kIdDigits / 2; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

bool is_id_char(char c) noexcept {
  const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return is_plain || std::string_view("._-@|:+").find(c) != std::string_view::npos;
}

bool is_name_char(char c) noexcept {
  return is_id_char(c) ? std::string_view("@|:+").find(c) == std::string_view::npos : c == ' ';
}

// Never longer than kIdBytesMax; what does not fit as it is, is told apart by its digest.
std::string id_of(std::string_view source, std::string_view own, const crypto::Digest& digest) {
  constexpr size_t kSourceBytesMax = kIdBytesMax - 1 - kIdDigits;
  const bool fits = !own.empty() && std::ranges::all_of(own, is_id_char) &&
                    source.size() + 1 + own.size() <= kIdBytesMax;
  if (fits) return fmt::format("{}:{}", source, own);
  if (own.empty())
    return fmt::format("{}:{}", source.substr(0, kSourceBytesMax), digits_of(digest));
  const std::string whole = fmt::format("{}:{}", source, own);
  return fmt::format("{}:{}", source.substr(0, kSourceBytesMax), digits_of(crypto::sha256(whole)));
}

// The next moment at which a quota of that period begins anew.
WallTime next_reset(WallTime last, std::string_view period) noexcept {
  using namespace std::chrono;
  const sys_days day =
      floor<days>(sys_time<std::chrono::microseconds>(std::chrono::microseconds(last.unix_us)));
  sys_days next = day + days(1);
  if (period == "week") next = day + (weekday(day) == Monday ? days(7) : Monday - weekday(day));
  if (period == "month") {
    const year_month_day date(day);
    next = sys_days((date.year() / date.month() + months(1)) / 1);
  }
  return {duration_cast<std::chrono::microseconds>(next.time_since_epoch()).count()};
}

Outcome read_id(const Value& value, std::string& out) {
  FieldResult<std::string> text = read_text(value, kIdBytesMax);
  if (!text) return wrong(text.error());
  if (!std::ranges::all_of(*text, is_id_char)) {
    return wrong("must have letters, digits and . _ - @ | : + only");
  }
  out = *std::move(text);
  return {};
}

// Two names of one list must not widen each other.
Outcome read_texts(const Value& value, size_t items_max, size_t bytes_max,
                   std::vector<std::string>& out) {
  auto list = read_list(value, items_max, bytes_max);
  if (!list) return wrong(list.error());
  if (!out.empty() && !list->empty()) return wrong("is given under two names");
  if (!list->empty()) out = *std::move(list);
  return {};
}

Outcome read_ranges(const Value& value, std::vector<config::AddressRange>& out) {
  constexpr size_t kRangeBytesMax = 64;
  const auto list = read_list(value, kRangesMax, kRangeBytesMax);
  if (!list) return wrong(list.error());
  if (!out.empty() && !list->empty()) return wrong("is given under two names");
  for (const std::string& text : *list) {
    const auto range = config::read_address_range(text);
    if (!range) return wrong("has an item that is no address or range such as 10.0.0.0/8");
    out.push_back(*range);
  }
  return {};
}

Outcome add_limit(std::vector<config::LimitRule>& rules, LimitScope scope, std::string_view owner,
                  std::string_view word, const Value& value) {
  if (value.is_null()) return {};
  const FieldResult<double> most = read_number(value);
  if (!most) return wrong(fmt::format("{:.64} {}", word, most.error()));
  if (rules.size() >= kRecordLimitsMax) {
    return wrong(fmt::format("must not be more than {}", kRecordLimitsMax));
  }
  return config::add_limit(rules, scope, owner, word, *most);
}

}  // namespace

// Each returns what continues "<field> ".
struct RecordFields::Rules {
  using Read = Outcome (*)(RecordFields&, const Value&);
  struct Rule {
    std::string_view name;
    Read read;
    bool is_json = false;     // As text it is JSON when it begins with a bracket.
    bool is_evidence = true;  // Stands in no object that is about something else.
  };

  static Outcome id(RecordFields& of, const Value& value) {
    constexpr size_t kOwnIdBytesMax = 1024;
    FieldResult<std::string> text = read_text(value, kOwnIdBytesMax);
    if (!text) return wrong(text.error());
    of.own_id_ = *std::move(text);
    return {};
  }
  // For people only, so what does not fit is made to.
  static Outcome name(RecordFields& of, const Value& value) {
    constexpr size_t kLongestName = 4096;
    FieldResult<std::string> text = read_text(value, kLongestName);
    if (!text) return wrong(text.error());
    of.record_.name = text->substr(0, kNameBytesMax);
    std::ranges::replace_if(of.record_.name, [](char c) { return !is_name_char(c); }, '_');
    return {};
  }
  static Outcome prefix(RecordFields& of, const Value& value) {
    FieldResult<std::string> text = read_text(value, kPrefixMost);
    if (!text) return wrong(text.error());
    of.record_.prefix = *std::move(text);
    return {};
  }
  static Outcome type(RecordFields& of, const Value& value) {
    const std::string* word = value.as_string();
    const auto known = std::ranges::find(kKeyKindNames, word == nullptr ? "" : *word);
    if (known == kKeyKindNames.end()) {
      return wrong(fmt::format("must be one of {}", fmt::join(kKeyKindNames, ", ")));
    }
    of.record_.kind = static_cast<KeyKind>(known - kKeyKindNames.begin());
    return {};
  }
  template <std::string KeyRecord::* Member>
  static Outcome owner(RecordFields& of, const Value& value) {
    return read_id(value, of.record_.*Member);
  }

  static Outcome blocked(RecordFields& of, const Value& value) {
    const FieldResult<bool> is_blocked = read_boolean(value);
    if (!is_blocked) return wrong(is_blocked.error());
    of.is_refused_ |= *is_blocked;
    return {};
  }
  // What other services call a key that may be used.
  static Outcome enabled(RecordFields& of, const Value& value) {
    const FieldResult<bool> is_enabled = read_boolean(value);
    if (!is_enabled) return wrong(is_enabled.error());
    of.is_refused_ |= !*is_enabled;
    return {};
  }
  static Outcome status(RecordFields& of, const Value& value) {
    static constexpr std::array<std::string_view, 4> kOfEarlier = {"active", "disabled",
                                                                   "quota_exceeded", "expired"};
    static constexpr std::array<std::string_view, 4> kOfOurs = {"blocked", "not_yet",
                                                                "owner_blocked", "owner_expired"};
    FieldResult<std::string> word = read_text(value, kNameBytesMax);
    if (!word) return wrong(word.error());
    if (word->size() == 1 && *word >= "0" && *word <= "3") word = kOfEarlier[(*word)[0] - '0'];
    const bool is_known = std::ranges::find(kOfEarlier, *word) != kOfEarlier.end() ||
                          std::ranges::find(kOfOurs, *word) != kOfOurs.end();
    if (!is_known) {
      return wrong(fmt::format("must be 0 to 3, or one of {}, {}", fmt::join(kOfEarlier, ", "),
                               fmt::join(kOfOurs, ", ")));
    }
    // `not_before` says until when a key is not good yet.
    of.is_refused_ |= *word != "active" && *word != "not_yet";
    return {};
  }
  // Of two names the one that gives the key the shorter life holds.
  static Outcome not_before(RecordFields& of, const Value& value) {
    const FieldResult<WallTime> time = read_time(value);
    if (!time) return wrong(time.error());
    of.record_.not_before = std::max(*time, of.record_.not_before.value_or(*time));
    return {};
  }
  static Outcome expires(RecordFields& of, const Value& value) {
    const FieldResult<WallTime> time = read_time(value);
    if (!time) return wrong(time.error());
    of.record_.expires = std::min(*time, of.record_.expires.value_or(*time));
    return {};
  }
  template <std::optional<WallTime> RecordFields::* Member>
  static Outcome time(RecordFields& of, const Value& value) {
    const FieldResult<WallTime> read = read_time(value);
    if (!read) return wrong(read.error());
    of.*Member = *read;
    return {};
  }

  static Outcome balance(RecordFields& of, const Value& value) {
    const FieldResult<double> left = read_number(value);
    if (!left) return wrong(left.error());
    of.is_refused_ |= *left <= 0;
    return {};
  }
  template <std::optional<double> RecordFields::* Member>
  static Outcome amount(RecordFields& of, const Value& value) {
    const FieldResult<double> read = read_number(value);
    if (!read) return wrong(read.error());
    if (*read < 0) return wrong("must not be negative");
    of.*Member = *read;
    return {};
  }
  static Outcome quota_period(RecordFields& of, const Value& value) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kPeriods = {
        {{"daily", "day"},
         {"day", "day"},
         {"weekly", "week"},
         {"week", "week"},
         {"monthly", "month"},
         {"month", "month"},
         {"never", ""},
         {"none", ""}}};
    const std::string* word = value.as_string();
    for (const auto& [name, period] : kPeriods) {
      if (word == nullptr || *word != name) continue;
      of.quota_period_ = period;
      return {};
    }
    return wrong("must be daily, weekly, monthly or never");
  }

  static Outcome models(RecordFields& of, const Value& value) {
    return read_texts(value, kGlobsMax, kGlobBytesMax, of.record_.models);
  }
  static Outcome tags(RecordFields& of, const Value& value) {
    return read_texts(value, kTagsMax, kNameBytesMax, of.record_.tags);
  }
  static Outcome allowed(RecordFields& of, const Value& value) {
    return read_ranges(value, of.record_.allowed_addresses);
  }
  static Outcome denied(RecordFields& of, const Value& value) {
    return read_ranges(value, of.record_.denied_addresses);
  }

  static Outcome limits(RecordFields& of, const Value& value) {
    const json::Object* object = value.as_object();
    if (object == nullptr) return wrong("must be an object");
    for (const json::Member& limit : *object) {
      const Outcome added =
          add_limit(of.record_.limits, LimitScope::kKey, of.source_, limit.name, limit.value);
      if (!added) return wrong("of " + added.error());
    }
    return {};
  }
  static Outcome model_limits(RecordFields& of, const Value& value) {
    const json::Array* array = value.as_array();
    if (array == nullptr) return wrong("must be a list of objects");
    for (const json::Value& item : *array) {
      const json::Value* models = item.find("models");
      const FieldResult<std::string> glob =
          models == nullptr ? std::unexpected("is missing") : read_text(*models, kGlobBytesMax);
      if (!glob) return wrong("has an item whose `models` " + glob.error());
      if (glob->empty()) return wrong("has an item whose `models` is empty");
      std::vector<config::LimitRule> rules;
      for (const json::Member& limit : *item.as_object()) {
        if (limit.name == "models") continue;
        const Outcome added =
            add_limit(rules, LimitScope::kKeyModel, fmt::format("{}/{}", of.source_, *glob),
                      limit.name, limit.value);
        if (!added) return wrong("of " + added.error());
      }
      if (of.record_.model_limits.size() + rules.size() > kModelRulesMax) {
        return wrong(fmt::format("must not be more than {}", kModelRulesMax));
      }
      for (config::LimitRule& rule : rules) {
        of.record_.model_limits.push_back({.models = *glob, .rule = std::move(rule)});
      }
    }
    return {};
  }

  static Outcome weight(RecordFields& of, const Value& value) {
    const FieldResult<int64_t> number = read_integer(value, 1, kWeightMost);
    if (!number) return wrong(number.error());
    of.record_.weight = static_cast<uint32_t>(*number);
    return {};
  }
  static Outcome priority_max(RecordFields& of, const Value& value) {
    const FieldResult<int64_t> number = read_integer(value, 0, kPriorityMost);
    if (!number) return wrong(number.error());
    of.record_.priority_max = static_cast<uint32_t>(*number);
    return {};
  }
  static Outcome metadata(RecordFields& of, const Value& value) {
    if (value.as_object() == nullptr) return wrong("must be an object");
    std::string text;
    value.write(text);
    if (text.size() > kMetadataBytesMax) {
      return wrong(fmt::format("must not be longer than {} bytes", kMetadataBytesMax));
    }
    of.record_.metadata = std::move(text);
    return {};
  }

  // Null for a name that is not known.
  static const Rule* find(std::string_view field) {
    static constexpr auto kRules = std::to_array<Rule>({
        {"id", id, false, false},
        {"name", name, false, false},
        {"prefix", prefix, false, false},
        {"type", type},
        {"organisation", owner<&KeyRecord::organisation>},
        {"organisation_id", owner<&KeyRecord::organisation>},
        {"team", owner<&KeyRecord::team>},
        {"team_id", owner<&KeyRecord::team>},
        {"user", owner<&KeyRecord::user>},
        {"user_id", owner<&KeyRecord::user>},
        {"blocked", blocked},
        {"active", enabled},
        {"allow", enabled},
        {"allowed", enabled},
        {"enabled", enabled},
        {"valid", enabled},
        {"status", status},
        {"not_before", not_before},
        {"starts_at", not_before},
        {"expires", expires},
        {"expires_at", expires},
        {"models", models, true},
        {"limits", limits, true},
        {"model_limits", model_limits, true},
        {"allowed_addresses", allowed, true},
        {"allowed_ips", allowed, true},
        {"denied_addresses", denied, true},
        {"denied_ips", denied, true},
        {"weight", weight},
        {"priority_max", priority_max},
        {"tags", tags, true},
        {"metadata", metadata, true, false},
        {"balance", balance},
        {"total_quota", amount<&RecordFields::quota_>},
        {"used_quota", amount<&RecordFields::used_>},
        {"quota_reset_period", quota_period},
        {"last_reset_at", time<&RecordFields::quota_reset_>},
    });
    const auto rule = std::ranges::find(kRules, field, &Rule::name);
    return rule == kRules.end() ? nullptr : rule;
  }
};

RecordFields::RecordFields(std::string_view source, const crypto::Digest& digest)
    : source_(source) {
  record_.digest = digest;
}

std::expected<void, std::string> RecordFields::set(std::string_view field, std::string_view text) {
  if (text.empty()) return {};
  const bool is_json = text.starts_with('{') || text.starts_with('[');
  const Rules::Rule* rule = Rules::find(field);
  if (!is_json || rule == nullptr || !rule->is_json) return set(field, Value(std::string(text)));
  const auto value = json::parse_value(text);
  if (!value) return std::unexpected(fmt::format("{} is no valid JSON", field));
  return set(field, *value);
}

std::expected<void, std::string> RecordFields::set(std::string_view field, const Value& value) {
  if (value.is_null()) return {};
  const std::string* text = value.as_string();
  if (text != nullptr && text->empty()) return {};
  if (const Rules::Rule* rule = Rules::find(field); rule != nullptr) {
    has_any_ |= rule->is_evidence;
    const Outcome outcome = rule->read(*this, value);
    if (!outcome) return std::unexpected(fmt::format("{} {}", field, outcome.error()));
    return {};
  }
  const auto words = config::limit_words();
  if (std::ranges::find(words, field) == words.end()) return {};
  has_any_ = true;
  return add_limit(record_.limits, LimitScope::kKey, source_, field, value);
}

std::expected<void, std::string> RecordFields::set_all(const Value& object) {
  const json::Object* members = object.as_object();
  if (members == nullptr) return std::unexpected("a key must be an object");
  for (const json::Member& member : *members) {
    if (auto outcome = set(member.name, member.value); !outcome) return outcome;
  }
  return {};
}

std::expected<KeyRecord, std::string> RecordFields::finish() {
  record_.id = id_of(source_, own_id_, record_.digest);
  const bool is_spent = quota_ && used_.value_or(0) >= *quota_;
  const bool is_until_reset = is_spent && !quota_period_.empty() && quota_reset_ && *quota_ > 0;
  if (is_until_reset) {
    const WallTime reset = next_reset(*quota_reset_, quota_period_);
    record_.not_before = std::max(reset, record_.not_before.value_or(reset));
  }
  record_.is_blocked = is_refused_ || (is_spent && !is_until_reset);
  return std::exchange(record_, {});
}

}  // namespace sluice::auth
