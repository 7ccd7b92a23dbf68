#include "litellm.h"

#include <algorithm>

#include <fmt/format.h>

#include <sluice/base/units.h>
#include <sluice/config/limit_amounts.h>

#include "fields.h"

namespace sluice::admin::litellm {
namespace {

struct Name {
  std::string_view theirs;
  std::string_view ours;
};
constexpr std::array<Name, 9> kNames = {{{"key_alias", "name"},
                                         {"team_alias", "name"},
                                         {"team_id", "team"},
                                         {"user_id", "user"},
                                         {"organization_id", "organisation"},
                                         {"models", "models"},
                                         {"metadata", "metadata"},
                                         {"blocked", "blocked"},
                                         {"tags", "tags"}}};
constexpr std::array<Name, 3> kLimits = {{{"rpm_limit", "requests_per_minute"},
                                          {"tpm_limit", "tokens_per_minute"},
                                          {"max_parallel_requests", "concurrency"}}};

// Which budget a `budget_duration` stands for, by the spellings in use.
constexpr std::array<Name, 8> kBudgets = {{{"", "budget_total"},
                                           {"1d", "budget_per_day"},
                                           {"24h", "budget_per_day"},
                                           {"7d", "budget_per_week"},
                                           {"1w", "budget_per_week"},
                                           {"30d", "budget_per_month"},
                                           {"1mo", "budget_per_month"},
                                           {"1m", "budget_per_month"}}};

bool is_budget(std::string_view word) noexcept { return word.starts_with("budget_"); }

void put(json::Object& object, std::string_view name, json::Value value) {
  const auto known = std::ranges::find(object, name, &json::Member::name);
  if (known != object.end()) {
    known->value = std::move(value);
  } else {
    object.push_back({std::string(name), std::move(value)});
  }
}

json::Value copy_of(const json::Value& value) { return json::Value(value.content()); }

std::optional<Refusal> put_budget(const json::Value& body, json::Object& limits) {
  const json::Value* most = body.find("max_budget");
  const std::string& duration = text_of(body, "budget_duration");
  if (most == nullptr) {
    if (duration.empty()) return std::nullopt;
    return Refusal{.message = "`budget_duration` needs `max_budget` with it",
                   .param = "max_budget"};
  }
  const auto word = std::ranges::find(kBudgets, duration, &Name::theirs);
  if (word == kBudgets.end()) {
    return Refusal{.message = "`budget_duration` must be 1d, 7d or 30d",
                   .param = "budget_duration"};
  }
  std::erase_if(limits, [](const json::Member& member) { return is_budget(member.name); });
  put(limits, word->ours, copy_of(*most));
  return std::nullopt;
}

// {"rpm": {"gpt-4": 10}} as model_limits. What is no number must not pass for no limit.
std::expected<json::Array, Refusal> read_model_limits(const json::Value& body) {
  json::Array rules;
  constexpr std::array<Name, 2> kMaps = {
      {{"model_rpm_limit", "requests_per_minute"}, {"model_tpm_limit", "tokens_per_minute"}}};
  for (const Name& map : kMaps) {
    const json::Value* value = member_of(body, map.theirs);
    if (value == nullptr) continue;
    for (const json::Member& member : *value->as_object()) {
      if (member.value.is_null()) continue;
      double most = 0;
      if (!member.value.as_number(most)) {
        const std::string param = fmt::format("{}.{}", map.theirs, member.name);
        return std::unexpected(
            Refusal{.message = fmt::format("`{}` must be a number", param), .param = param});
      }
      json::Object rule;
      put(rule, "models", json::Value(member.name));
      put(rule, map.ours, copy_of(member.value));
      rules.emplace_back(std::move(rule));
    }
  }
  return rules;
}

std::string_view word_of_budget(std::span<const config::LimitRule> limits, double& most) noexcept {
  for (const config::LimitRule& rule : limits) {
    const std::string_view word = config::limit_word_of(rule);
    if (!is_budget(word)) continue;
    most = config::limit_amount_of(rule);
    return word;
  }
  return {};
}

}  // namespace

std::expected<json::Value, Refusal> translate(const json::Value& body,
                                              std::span<const config::LimitRule> present,
                                              WallTime now) {
  json::Object ours;
  for (const Name& name : kNames) {
    if (const json::Value* value = body.find(name.theirs)) put(ours, name.ours, copy_of(*value));
  }
  const std::string& duration = text_of(body, "duration");
  if (!duration.empty()) {
    const auto length = parse_duration(duration);
    if (!length || *length <= Duration::zero()) {
      return std::unexpected(
          Refusal{.message = "`duration` must be such as \"30d\" or \"12h\"", .param = "duration"});
    }
    put(ours, "expires", json::Value(time_text({now.unix_us + *length / microseconds(1)})));
  }
  json::Object limits;
  for (const config::LimitRule& rule : present) {
    put(limits, config::limit_word_of(rule), json::Value(config::limit_amount_of(rule)));
  }
  for (const Name& name : kLimits) {
    if (const json::Value* value = body.find(name.theirs)) put(limits, name.ours, copy_of(*value));
  }
  if (auto refusal = put_budget(body, limits)) return std::unexpected(std::move(*refusal));
  put(ours, "limits", json::Value(std::move(limits)));
  auto rules = read_model_limits(body);
  if (!rules) return std::unexpected(std::move(rules.error()));
  if (!rules->empty()) put(ours, "model_limits", json::Value(*std::move(rules)));
  return json::Value(std::move(ours));
}

void write_shared(json::Writer& writer, std::span<const std::string> models,
                  std::span<const config::LimitRule> limits, std::string_view metadata,
                  bool is_blocked) {
  writer.key("models").begin_array();
  for (const std::string& model : models) writer.string(model);
  writer.end_array();
  double most = 0;
  const std::string_view budget = word_of_budget(limits, most);
  writer.key("max_budget");
  budget.empty() ? writer.null() : writer.number(most);
  writer.key("budget_duration");
  const auto duration = std::ranges::find(kBudgets, budget, &Name::ours);
  write_text_or_null(writer, duration == kBudgets.end() ? "" : duration->theirs);
  for (const Name& name : kLimits) {
    const auto rule = std::ranges::find(limits, name.ours, &config::limit_word_of);
    writer.key(name.theirs);
    rule == limits.end() ? writer.null() : writer.number(config::limit_amount_of(*rule));
  }
  writer.key("metadata").raw(metadata.empty() ? "{}" : metadata);
  writer.key("blocked").boolean(is_blocked);
}

std::vector<Field> with_shared(std::span<const Field> fields) {
  std::vector<Field> all(fields.begin(), fields.end());
  all.insert(all.end(), kSharedFields.begin(), kSharedFields.end());
  return all;
}

}  // namespace sluice::admin::litellm
