#include "key_audit.h"

#include <chrono>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include <sluice/json/writer.h>

#include "key_rows.h"

namespace sluice::auth {
namespace {

// "2026-11-20T14:25:00Z"; the fraction is left out.
std::string time_text(WallTime time) {
  const std::chrono::sys_time<microseconds> point{microseconds(time.unix_us)};
  const auto day = std::chrono::floor<std::chrono::days>(point);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<seconds>(point - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

class Fields {
 public:
  Fields() { writer_.begin_object(); }
  void text(std::string_view name, std::string_view value) {
    if (!value.empty()) writer_.key(name).string(value);
  }
  void json(std::string_view name, std::string_view value) {
    if (!value.empty()) writer_.key(name).raw(value);
  }
  void time(std::string_view name, std::optional<WallTime> value) {
    if (value) writer_.key(name).string(time_text(*value));
  }
  void number(std::string_view name, uint64_t value) { writer_.key(name).unsigned_integer(value); }
  void boolean(std::string_view name, bool value) { writer_.key(name).boolean(value); }
  std::string finish() {
    writer_.end_object();
    return std::move(text_);
  }

 private:
  std::string text_;
  json::Writer writer_{text_};
};

}  // namespace

std::string audit_text(const KeyRecord& key) {
  Fields fields;
  fields.text("id", key.id);
  fields.text("name", key.name);
  fields.text("prefix", key.prefix);
  fields.text("kind", kKeyKindNames[static_cast<size_t>(key.kind)]);
  fields.text("organisation", key.organisation);
  fields.text("team", key.team);
  fields.text("user", key.user);
  fields.boolean("blocked", key.is_blocked);
  fields.time("not_before", key.not_before);
  fields.time("expires", key.expires);
  fields.time("former_until", key.former_until);
  fields.json("models", list_text(key.models));
  fields.json("limits", limits_text(key.limits));
  fields.json("model_limits", model_limits_text(key.model_limits));
  fields.json("allowed_addresses", addresses_text(key.allowed_addresses));
  fields.json("denied_addresses", addresses_text(key.denied_addresses));
  fields.number("weight", key.weight);
  fields.number("priority_max", key.priority_max);
  fields.json("tags", list_text(key.tags));
  fields.json("metadata", key.metadata);
  return fields.finish();
}

std::string audit_text(const Owner& owner) {
  Fields fields;
  fields.text("id", owner.id);
  fields.text("level", kOwnerLevelNames[static_cast<size_t>(owner.level)]);
  fields.text("name", owner.name);
  fields.text("organisation", owner.organisation);
  fields.text("team", owner.team);
  fields.boolean("blocked", owner.is_blocked);
  fields.time("expires", owner.expires);
  fields.json("models", list_text(owner.models));
  fields.json("limits", limits_text(owner.limits));
  fields.json("metadata", owner.metadata);
  return fields.finish();
}

}  // namespace sluice::auth
