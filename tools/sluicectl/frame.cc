#include "frame.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string_view>
#include <vector>

#include "command.h"
#include "render.h"

namespace sluice::sluicectl {
namespace {

double number(const json::Value& object, std::string_view member) {
  const json::Value* value = object.find(member);
  double found = 0;
  return value != nullptr && value->as_number(found) ? found : 0;
}

// With one place behind the point.
double rounded(double value) { return std::round(value * 10) / 10; }

json::Value whole(double value) { return json::Value(static_cast<int64_t>(value)); }

// How one member of an item of a section comes about.
enum class Way : uint8_t { kCopy, kRate, kWholeRate, kPercent };
struct Figure {
  std::string_view name;
  std::string_view source;
  Way way = Way::kRate;
};
struct Section {
  std::string_view list;
  std::string_view key;   // Names an item.
  std::string_view busy;  // What is first; "" is the order of the answer.
  std::array<Figure, 6> figures;
  std::string_view columns;
};

constexpr std::array<Section, 4> kSections = {{
    {"shards",
     "shard",
     "",
     {{{"cpu_percent", "cpu_seconds", Way::kPercent},
       {"connections", "connections", Way::kCopy},
       {"in_flight", "in_flight", Way::kCopy},
       {"bytes_per_s", "bytes_sent", Way::kWholeRate}}},
     "shard cpu_percent=CPU% connections in_flight bytes_per_s=BYTES/S"},
    {"models",
     "name",
     "requests_per_s",
     {{{"requests_per_s", "requests"},
       {"tokens_in_per_s", "tokens_in"},
       {"tokens_out_per_s", "tokens_out"},
       {"queue", "queue", Way::kCopy},
       {"refused_per_s", "refused"},
       {"requests", "requests", Way::kCopy}}},
     "name=MODEL requests_per_s=REQ/S tokens_in_per_s=TOK-IN/S tokens_out_per_s=TOK-OUT/S "
     "first_token_ms_p50=FIRST-MS-P50 first_token_ms_p99=P99 queue refused_per_s=REFUSED/S "
     "requests"},
    {"upstreams",
     "name",
     "attempts_per_s",
     {{{"attempts_per_s", "attempts"},
       {"failures_per_s", "failures"},
       {"in_flight", "in_flight", Way::kCopy},
       {"connections", "connections", Way::kCopy},
       {"cooldowns", "cooldowns", Way::kCopy},
       {"attempts", "attempts", Way::kCopy}}},
     "name=UPSTREAM attempts_per_s=ATTEMPTS/S failures_per_s=FAILURES/S in_flight connections "
     "cooldowns attempts"},
    {"tenants",
     "name",
     "requests_per_s",
     {{{"requests_per_s", "requests"},
       {"tokens_in_per_s", "tokens_in"},
       {"tokens_out_per_s", "tokens_out"},
       {"micro_dollars", "micro_dollars", Way::kCopy},
       {"requests", "requests", Way::kCopy}}},
     "name=TENANT requests_per_s=REQ/S tokens_in_per_s=TOK-IN/S tokens_out_per_s=TOK-OUT/S "
     "micro_dollars=DOLLARS requests"},
}};

// The item of `list` that has the same key as `item`.
const json::Value* find_same(const json::Array& list, const json::Value& item,
                             std::string_view key) {
  const std::string name = cell(item, key);
  const auto same = std::ranges::find_if(
      list, [&](const json::Value& other) { return cell(other, key) == name; });
  return same == list.end() ? nullptr : &*same;
}

// Requests by their time to the first token, in the buckets of the answer.
struct Times {
  std::vector<double> bounds_s;  // Of all buckets but the last one.
  std::vector<double> counts;

  void add(const json::Value* before, const json::Value& after) {
    const json::Array& now = items(after, "first_token_buckets");
    static const json::Array kNone;
    const json::Array& then = before == nullptr ? kNone : items(*before, "first_token_buckets");
    counts.resize(std::max(counts.size(), now.size()));
    for (size_t i = 0; i < now.size(); ++i) {
      const double old = i < then.size() ? number(then[i], "count") : 0;
      counts[i] += std::max(0.0, number(now[i], "count") - old);
      double bound = 0;
      const json::Value* upper = now[i].find("le_s");
      if (bounds_s.size() == i && upper != nullptr && upper->as_number(bound)) {
        bounds_s.push_back(bound);
      }
    }
  }

  // In milliseconds, by straight lines within buckets; null without requests. What is beyond the
  // last bound is that bound.
  [[nodiscard]] json::Value quantile_ms(double share) const {
    double total = 0;
    for (const double count : counts) total += count;
    if (total == 0 || bounds_s.empty()) return {};
    double left = total * share;
    for (size_t i = 0; i < counts.size() && i < bounds_s.size(); ++i) {
      if (left <= counts[i] && counts[i] > 0) {
        const double lower = i == 0 ? 0 : bounds_s[i - 1];
        return json::Value(rounded((lower + (bounds_s[i] - lower) * left / counts[i]) * 1000));
      }
      left -= counts[i];
    }
    return json::Value(rounded(bounds_s.back() * 1000));
  }
};

// One item of a section. `before` is null for one that is new.
json::Value make_item(const Section& section, const json::Value* before, const json::Value& after,
                      double seconds) {
  json::Object item;
  const json::Value* key = after.find(section.key);
  item.push_back({std::string(section.key), key == nullptr ? json::Value() : *key});
  for (const Figure& figure : section.figures) {
    if (figure.name.empty()) continue;
    const double now = number(after, figure.source);
    const double then = before == nullptr ? 0 : number(*before, figure.source);
    const double rate = seconds > 0 ? std::max(0.0, now - then) / seconds : 0;
    json::Value value = whole(now);
    if (figure.way == Way::kRate) value = json::Value(rounded(rate));
    if (figure.way == Way::kWholeRate) value = whole(std::round(rate));
    if (figure.way == Way::kPercent) value = json::Value(rounded(rate * 100));
    item.push_back({std::string(figure.name), std::move(value)});
  }
  if (section.list == "models") {
    Times times;
    if (seconds > 0) times.add(before, after);
    item.push_back({"first_token_ms_p50", times.quantile_ms(0.5)});
    item.push_back({"first_token_ms_p99", times.quantile_ms(0.99)});
  }
  return json::Value(std::move(item));
}

json::Array make_section(const Section& section, const json::Value& before,
                         const json::Value& after, double seconds) {
  json::Array made;
  const json::Array& old = items(before, section.list);
  for (const json::Value& item : items(after, section.list)) {
    made.push_back(make_item(section, find_same(old, item, section.key), item, seconds));
  }
  if (!section.busy.empty()) {
    std::ranges::sort(made, [&](const json::Value& left, const json::Value& right) {
      const double first = number(left, section.busy);
      const double second = number(right, section.busy);
      return first != second ? first > second : cell(left, section.key) < cell(right, section.key);
    });
  }
  return made;
}

double sum(const json::Array& list, std::string_view member) {
  double total = 0;
  for (const json::Value& item : list) total += number(item, member);
  return total;
}

json::Value make_total(const json::Array& shards, const json::Array& models,
                       const json::Value& before, const json::Value& after, double seconds) {
  Times times;
  const json::Array& old = items(before, "models");
  for (const json::Value& model : items(after, "models")) {
    if (seconds > 0) times.add(find_same(old, model, "name"), model);
  }
  json::Object total;
  for (const std::string_view member :
       {"requests_per_s", "tokens_in_per_s", "tokens_out_per_s", "refused_per_s"}) {
    total.push_back({std::string(member), json::Value(rounded(sum(models, member)))});
  }
  total.push_back({"in_flight", whole(sum(shards, "in_flight"))});
  total.push_back({"queue", whole(sum(models, "queue"))});
  total.push_back({"first_token_ms_p50", times.quantile_ms(0.5)});
  total.push_back({"first_token_ms_p99", times.quantile_ms(0.99)});
  return json::Value(std::move(total));
}

// "3d04h", "2h05m", "7m12s".
std::string time_text(double seconds) {
  const auto whole_s = static_cast<int64_t>(seconds);
  const auto pair = [](int64_t large, char unit, int64_t small, char small_unit) {
    const std::string digits = std::to_string(small);
    return std::to_string(large) + unit + (digits.size() < 2 ? "0" : "") + digits + small_unit;
  };
  if (whole_s >= 86400) return pair(whole_s / 86400, 'd', whole_s / 3600 % 24, 'h');
  if (whole_s >= 3600) return pair(whole_s / 3600, 'h', whole_s / 60 % 60, 'm');
  return pair(whole_s / 60, 'm', whole_s % 60, 's');
}

// How many items of each section are shown: as many as there are, or a fair part of `lines`.
std::array<size_t, kSections.size()> share_lines(const json::Value& frame, size_t lines) {
  std::array<size_t, kSections.size()> shares{};
  const size_t taken = 3 + 2 * kSections.size();  // Two lines above, titles, lines between.
  size_t left = lines == 0 ? SIZE_MAX : lines > taken ? lines - taken : 0;
  for (bool has_given = true; has_given && left > 0;) {
    has_given = false;
    for (size_t i = 0; i < kSections.size() && left > 0; ++i) {
      if (shares[i] >= items(frame, kSections[i].list).size()) continue;
      ++shares[i];
      --left;
      has_given = true;
    }
  }
  return shares;
}

}  // namespace

json::Value make_frame(const json::Value& before, const json::Value& after) {
  const double seconds = std::max(0.0, number(after, "uptime_s") - number(before, "uptime_s"));
  json::Object frame;
  const json::Value* at = after.find("at");
  frame.push_back({"at", at == nullptr ? json::Value() : *at});
  frame.push_back({"uptime_s", json::Value(rounded(number(after, "uptime_s")))});
  frame.push_back({"interval_s", json::Value(std::round(seconds * 1000) / 1000)});
  std::array<json::Array, kSections.size()> made;
  for (size_t i = 0; i < kSections.size(); ++i) {
    made[i] = make_section(kSections[i], before, after, seconds);
  }
  frame.push_back({"total", make_total(made[0], made[1], before, after, seconds)});
  for (size_t i = 0; i < kSections.size(); ++i) {
    frame.push_back({std::string(kSections[i].list), json::Value(std::move(made[i]))});
  }
  return json::Value(std::move(frame));
}

std::string render_frame(const json::Value& frame, size_t lines) {
  const json::Value* total = frame.find("total");
  std::string text = "sluice  up " + time_text(number(frame, "uptime_s"));
  if (total != nullptr) {
    text += fill_in(
        "  requests/s {requests_per_s}  refused/s {refused_per_s}  in flight {in_flight}  queue "
        "{queue}\n"
        "first token p50 {first_token_ms_p50} p99 {first_token_ms_p99} ms  tokens/s "
        "{tokens_in_per_s} in {tokens_out_per_s} out",
        *total);
  }
  text += fill_in("  {at}\n", frame);
  const auto shares = share_lines(frame, lines);
  for (size_t i = 0; i < kSections.size(); ++i) {
    json::Array list = items(frame, kSections[i].list);
    const size_t left_out = list.size() - shares[i];
    list.resize(shares[i]);
    text += "\n" + render_list(list, kSections[i].columns);
    if (left_out > 0) {
      text.insert(text.size() - 1, "  (" + std::to_string(left_out) + " more)");
    }
  }
  return text;
}

}  // namespace sluice::sluicectl
