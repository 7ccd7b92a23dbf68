#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <sluice/base/units.h>
#include <sluice/config/address_text.h>
#include <sluice/json/writer.h>
#include <sluice/limit/bank_table.h>
#include <sluice/limit/subjects.h>

#include "fields.h"
#include "rows.h"
#include "store_call.h"

namespace sluice::admin {
namespace {

constexpr std::array<Field, 8> kLimit = {{
    {.name = "name", .is_needed = true},
    {.name = "measure", .purpose = "requests, tokens, micro_dollars ...", .is_needed = true},
    {.name = "window", .purpose = "1m, day, month, total or in_flight.", .is_needed = true},
    {.name = "most", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "used", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "remaining", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "resets_in_s",
     .kind = FieldKind::kNumber,
     .purpose = "Until nothing counts any more.",
     .is_needed = true},
    {.name = "enforced", .kind = FieldKind::kBoolean, .is_needed = true},
}};
constexpr std::array<Field, 1> kLimits = {
    {{.name = "limits", .kind = FieldKind::kRecords, .is_needed = true, .fields = kLimit}}};
constexpr std::array<Field, 2> kReset = {{
    {.name = "reset",
     .kind = FieldKind::kInteger,
     .purpose = "Counts of so many limits.",
     .is_needed = true},
    {.name = "note", .purpose = "What others still know."},
}};

// One rule as it holds for the subject that was asked about.
struct Counted {
  config::LimitRule rule;
  limit::BankKey key;
};
using Counts = std::vector<Counted>;

void add(Counts& counts, const config::LimitRule& rule, std::string_view subject) {
  counts.push_back({rule, limit::key_of(rule, subject)});
}

void add_all(Counts& counts, const config::Snapshot& config, const std::vector<LimitId>& ids,
             std::string_view subject) {
  for (const LimitId id : ids) add(counts, config.limit_rules[id.value], subject);
}

template <class T>
std::optional<Counts> of_named(const config::Snapshot& config, const std::vector<T>& items,
                               std::string_view name) {
  const auto item = std::ranges::find(items, name, &T::name);
  if (item == items.end()) return std::nullopt;
  Counts counts;
  add_all(counts, config, item->limits, name);
  return counts;
}

std::optional<Counts> of_address(const config::Snapshot& config, std::string_view text) {
  const auto range = config::read_address_range(text);
  if (!range || range->bits != 128) return std::nullopt;
  Counts counts;
  for (const LimitId id : config.ip_limits) {
    const config::LimitRule& rule = config.limit_rules[id.value];
    counts.push_back({rule, limit::key_of(rule, range->prefix)});
  }
  return counts;
}

// Of what the file names; nothing for a subject that it does not have.
std::optional<Counts> of_file(const config::Snapshot& config, std::string_view scope,
                              std::string_view subject) {
  if (scope == "key") return of_named(config, config.keys, subject);
  if (scope == "tenant") return of_named(config, config.tenants, subject);
  if (scope == "upstream") return of_named(config, config.upstreams, subject);
  if (scope == "ip") return of_address(config, subject);
  if (scope == "model") {
    const ModelId model = config.find_model(subject);
    return model.is_valid() ? of_named(config, config.models, config.model(model).name)
                            : std::nullopt;
  }
  if (scope != "gateway") return std::nullopt;
  Counts counts;
  add_all(counts, config, config.gateway_limits, "");
  return counts;
}

bool is_owner(std::string_view scope) noexcept {
  return std::ranges::find(auth::kOwnerLevelNames, scope) != auth::kOwnerLevelNames.end();
}

// What the store says of its limits.
struct StoreRules {
  bool is_known = false;
  std::vector<config::LimitRule> rules;
};

Task<StoreRules> ask_store(Call& call) {
  StoreRules found;
  KeyWork* keys = call.parts.keys;
  if (keys == nullptr || !keys->has_store()) co_return found;
  const std::string& scope = call.places[0];
  const std::string& subject = call.places[1];
  const auto ran = co_await keys->run([&](auth::KeyStore& store) {
    if (scope == "key") {
      const auto key = store.find_key(call.caller.actor, subject);
      found.is_known = key.has_value();
      if (key) found.rules = key->limits;
    } else {
      const auto owner = store.find_owner(call.caller.actor, subject);
      found.is_known =
          owner.has_value() && auth::kOwnerLevelNames[static_cast<size_t>(owner->level)] == scope;
      if (found.is_known) found.rules = owner->limits;
    }
  });
  if (!ran) found.is_known = false;
  co_return found;
}

// Nothing when there is no such subject, or it is another one's (D4).
Task<std::optional<Counts>> find_counts(Call& call) {
  const std::string& scope = call.places[0];
  const std::string& subject = call.places[1];
  const bool is_of_store = scope == "key" || is_owner(scope);
  std::optional<Counts> counts;
  if (is_of_store) {
    const StoreRules found = co_await ask_store(call);
    // A reload may have come meanwhile: looked at afterwards.
    const config::Snapshot& config = call.parts.operations.snapshot();
    if (found.is_known) {
      counts.emplace();
      for (const config::LimitRule& rule : found.rules) add(*counts, rule, subject);
      // Those are the operator's: whoever manages a part of the gateway gives nothing of them back.
      const bool may_change = !call.caller.is_scoped() || !call.route.changes();
      if (scope == "key" && may_change) {
        add_all(*counts, config, config.every_key_limits, subject);
      }
    }
  }
  if (!counts && !call.caller.is_scoped()) {
    counts = of_file(call.parts.operations.snapshot(), scope, subject);
  }
  co_return counts;
}

std::string_view measure_word(config::LimitMeasure measure) noexcept {
  static constexpr std::array<std::string_view, 6> kWords = {
      "requests", "tokens", "input_tokens", "output_tokens", "micro_dollars", "concurrency"};
  return kWords[static_cast<size_t>(measure)];
}

std::string window_word(const config::LimitRule& rule) {
  static constexpr std::array<std::string_view, 6> kWords = {"in_flight", "",      "day",
                                                             "week",      "month", "total"};
  if (rule.window == config::LimitWindow::kRolling) return format_duration(rule.length);
  return std::string(kWords[static_cast<size_t>(rule.window)]);
}

void write_limit(json::Writer& writer, const Counted& counted, limit::BankTable& banks,
                 limit::LimitTime now) {
  limit::Bank* bank = banks.find(counted.key);
  const auto most = static_cast<int64_t>(counted.rule.most);
  const int64_t used = bank == nullptr ? 0 : std::max<int64_t>(bank->used(now), 0);
  const double resets =
      bank == nullptr ? 0 : std::chrono::duration<double>(bank->time_until_whole(now)).count();
  writer.begin_object();
  writer.key("name").string(counted.rule.name);
  writer.key("measure").string(measure_word(counted.rule.measure));
  writer.key("window").string(window_word(counted.rule));
  writer.key("most").integer(most);
  writer.key("used").integer(used);
  writer.key("remaining").integer(std::max<int64_t>(most - used, 0));
  writer.key("resets_in_s").number(std::max(resets, 0.0));
  writer.key("enforced").boolean(counted.rule.enforce);
  writer.end_object();
}

control::SmallAnswer not_found(const Call& call) {
  return control::error_answer(
      404, "not_found",
      fmt::format("there is no {} `{}` with limits; the scopes are key, tenant, team, user, "
                  "organisation, model, gateway, ip and upstream",
                  call.places[0], call.places[1]));
}

limit::LimitTime time_of(const AdminParts& parts) {
  return parts.banks->clock().at(parts.clock.now());
}

Task<control::SmallAnswer> show_limits(Call& call) {
  const std::optional<Counts> counts = co_await find_counts(call);
  if (!counts || call.parts.banks == nullptr) co_return not_found(call);
  control::SmallAnswer answer;
  json::Writer writer(answer.body);
  writer.begin_object().key("limits").begin_array();
  for (const Counted& counted : *counts) {
    write_limit(writer, counted, *call.parts.banks, time_of(call.parts));
  }
  writer.end_array().end_object();
  co_return answer;
}

Task<control::SmallAnswer> reset_limits(Call& call) {
  call.note.object = call.places[0] + ' ' + call.places[1];
  if (call.caller.is_bound_by(call.places[1])) {
    co_return control::error_answer(403, "forbidden",
                                    "a key cannot reset the limits that it is under itself; ask "
                                    "whoever manages what is above it");
  }
  const std::optional<Counts> counts = co_await find_counts(call);
  if (!counts || call.parts.banks == nullptr) co_return not_found(call);
  uint64_t reset = 0;
  for (const Counted& counted : *counts) {
    // What is in flight ends by itself.
    if (counted.rule.measure == config::LimitMeasure::kConcurrency) continue;
    if (limit::Bank* bank = call.parts.banks->find(counted.key)) {
      bank->forgive(time_of(call.parts));
      ++reset;
    }
  }
  const bool has_ledger = call.parts.banks->ledger() != limit::BankTable::Ledger::kNone;
  control::SmallAnswer answer;
  json::Writer writer(answer.body);
  writer.begin_object().key("reset").unsigned_integer(reset).key("note");
  if (has_ledger) {
    writer.string("of this gateway alone: what Redis has counted stays until its window ends");
  } else {
    writer.null();
  }
  writer.end_object();
  co_return answer;
}

constexpr std::array<Route, 2> kRows = {{
    {.method = http::Method::kGet,
     .path = "/v1/limits/{scope}/{subject...}",
     .purpose = "The limits of one subject, and what of them is used, with what running requests "
                "have set aside. The gateway's own have the "
                "subject `all`.",
     .run = show_limits,
     .answer = kLimits},
    {.method = http::Method::kPost,
     .path = "/v1/limits/{scope}/{subject...}/reset",
     .purpose = "Gives back what the limits of one subject have counted.",
     .run = reset_limits,
     .answer = kReset,
     .action = "limits.reset"},
}};

}  // namespace

std::span<const Route> limit_rows() { return kRows; }

}  // namespace sluice::admin
