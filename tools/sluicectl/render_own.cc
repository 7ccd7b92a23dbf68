#include "render_own.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "render.h"

namespace sluice::sluicectl {
namespace {

// "3/8", "-" without a limit.
std::string render_places(const json::Value& upstream) {
  const std::string most = cell(upstream, "concurrency_max");
  return most == "-" ? most : cell(upstream, "places_in_use") + "/" + most;
}

const json::Object& attempts_of(const json::Value& upstream) {
  static const json::Object kNone;
  const json::Value* attempts = upstream.find("attempts");
  const json::Object* members = attempts == nullptr ? nullptr : attempts->as_object();
  return members == nullptr ? kNone : *members;
}

}  // namespace

std::string render_version(const json::Value& answer) {
  return fill_in("Sluice {version}, generation {generation} of {config}", answer) +
         (is_true(answer, "draining") ? ", draining\n" : "\n");
}

std::string render_upstreams(const json::Value& answer) {
  std::vector<std::vector<std::string>> rows = {
      {"UPSTREAM", "STATE", "BREAKER", "BREAKER-S", "COOLDOWN-S", "EJECTED-S", "IN-FLIGHT",
       "PLACES", "FIRST-MS", "WHOLE-MS", "ERRORS", "TOKENS/MIN", "TAGS", "AUTHORITY", "WEIGHT",
       "USAGE", "OPEN", "IDLE"}};
  const json::Array& upstreams = items(answer, "upstreams");
  if (!upstreams.empty()) {
    for (const json::Member& attempt : attempts_of(upstreams.front())) {
      rows[0].push_back(title_of(attempt.name));
    }
  }
  for (const json::Value& upstream : upstreams) {
    auto& row = rows.emplace_back();
    for (const std::string_view member :
         {"name", "state", "breaker", "breaker_s", "cooldown_s", "ejected_s", "in_flight"}) {
      row.push_back(cell(upstream, member));
    }
    row.push_back(render_places(upstream));
    for (const std::string_view member :
         {"first_token_ms", "whole_ms", "error_ratio", "minute_tokens", "tags", "authority",
          "weight", "stream_usage", "connections_open", "connections_idle"}) {
      row.push_back(cell(upstream, member));
    }
    for (const json::Member& attempt : attempts_of(upstream)) row.push_back(cell(attempt.value));
    row.resize(rows[0].size());
  }
  return render_table(rows);
}

std::string render_spend(const json::Value& answer) {
  const std::string window = cell(answer, "window");
  const std::string when = window == "total" ? "since the journal began" : "this " + window;
  const json::Array& lines = items(answer, "spend");
  if (lines.empty()) return "nothing was spent " + when + "\n";
  std::string text = "Spend " + when + (window == "total" ? "" : ", UTC") + "\n" +
                     render_list(lines, "name=" + title_of(cell(answer, "by")) +
                                            " micro_dollars=DOLLARS requests "
                                            "input_tokens=TOKENS-IN output_tokens=TOKENS-OUT "
                                            "unpriced unknown");
  const std::string left_out = cell(answer, "left_out");
  if (left_out != "0" && left_out != "-") text += "and " + left_out + " more that spent less\n";
  return text;
}

std::string render_reload(const json::Value& answer) {
  return fill_in("reloaded, generation {generation} is in force\n", answer) +
         render_sentences(items(answer, "warnings"), "warning: ") +
         render_sentences(items(answer, "changes"), "changed: ");
}

std::string render_drain(const json::Value& answer) {
  return is_true(answer, "began_now")
             ? fill_in("draining; open streams have {drain_timeout} to end\n", answer)
             : "was draining already\n";
}

std::string render_config(const json::Value& answer) {
  const json::Value* text = answer.find("text");
  const std::string* yaml = text == nullptr ? nullptr : text->as_string();
  std::string shown = fill_in(
      "# {file}, generation {generation}, loaded {loaded_at}, {reloads} reloads, log level "
      "{log_level}\n# checksum {checksum}\n",
      answer);
  if (yaml == nullptr) return shown;
  std::string_view rest = *yaml;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    shown += printable(rest.substr(0, end)) + "\n";
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return shown;
}

std::string render_candidate(const json::Value& answer) {
  const bool has_changes = !items(answer, "changes").empty();
  return std::string("valid") + (has_changes ? "\n" : "; nothing would change\n") +
         render_sentences(items(answer, "warnings"), "warning: ") +
         render_sentences(items(answer, "changes"), "would change: ");
}

std::string render_reset(const json::Value& answer) {
  const std::string note = cell(answer, "note");
  return fill_in("counts of {reset} limits are given back\n", answer) +
         (note == "-" ? "" : note + "\n");
}

}  // namespace sluice::sluicectl
