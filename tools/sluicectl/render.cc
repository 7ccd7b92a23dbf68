#include "render.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

namespace sluice::sluicectl {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() &&
         (text == "-" || text.find_first_not_of("0123456789.eE+-") == std::string_view::npos);
}

struct Column {
  std::string_view title;
  std::string_view member;
};

std::string render_list(const JsonValue& list, std::initializer_list<Column> columns) {
  std::vector<std::vector<std::string>> rows(1);
  for (const Column& column : columns) rows[0].emplace_back(column.title);
  for (const JsonValue& item : list.items) {
    auto& row = rows.emplace_back();
    for (const Column& column : columns) row.push_back(item[column.member].cell());
  }
  return render_table(rows);
}

std::string render_sentences(const JsonValue& list, std::string_view before) {
  std::string text;
  for (const JsonValue& sentence : list.items) {
    text += std::string(before) + sentence.cell() + "\n";
  }
  return text;
}

// "3/8", "-" without a limit.
std::string render_places(const JsonValue& upstream) {
  const JsonValue& most = upstream["concurrency_max"];
  if (most.kind != JsonValue::Kind::kNumber) return "-";
  return upstream["places_in_use"].cell() + "/" + most.cell();
}

// "12.345678" for 12345678.
std::string render_dollars(std::string micro) {
  if (micro.size() < 7) micro.insert(0, 7 - micro.size(), '0');
  return micro.insert(micro.size() - 6, ".");
}

// "-" when there is none.
std::string render_words(const JsonValue& list) {
  std::string text;
  for (const JsonValue& word : list.items) text += (text.empty() ? "" : ",") + word.cell();
  return text.empty() ? "-" : text;
}

}  // namespace

std::string render_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths(rows.empty() ? 0 : rows.front().size());
  std::vector<bool> are_numbers(widths.size(), rows.size() > 1);
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t c = 0; c < widths.size(); ++c) {
      widths[c] = std::max(widths[c], rows[r][c].size());
      if (r > 0 && !is_number(rows[r][c])) are_numbers[c] = false;
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < widths.size(); ++c) {
      const std::string space(widths[c] - row[c].size(), ' ');
      if (c > 0) line += "  ";
      line += are_numbers[c] ? space + row[c] : row[c] + space;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string render_version(const JsonValue& answer) {
  std::string text = "Sluice " + answer["version"].cell() + ", generation " +
                     answer["generation"].cell() + " of " + answer["config"].cell();
  if (answer["draining"].is_true()) text += ", draining";
  return text + "\n";
}

std::string render_shards(const JsonValue& answer) {
  return render_list(answer["shards"], {{"SHARD", "shard"},
                                        {"CPU", "cpu"},
                                        {"CPU-SECONDS", "cpu_seconds"},
                                        {"CONNECTIONS", "connections"},
                                        {"IN-FLIGHT", "in_flight"},
                                        {"REQUESTS", "requests"},
                                        {"TURNS", "turns"},
                                        {"BUFFERS", "buffers_in_use"},
                                        {"STARVED", "buffers_starved"},
                                        {"OVERFLOWS", "cq_overflows"}});
}

std::string render_upstreams(const JsonValue& answer) {
  std::vector<std::vector<std::string>> rows = {
      {"UPSTREAM", "STATE", "BREAKER", "BREAKER-S", "COOLDOWN-S", "EJECTED-S", "IN-FLIGHT",
       "PLACES", "FIRST-MS", "WHOLE-MS", "ERRORS", "TOKENS/MIN", "TAGS", "AUTHORITY", "WEIGHT",
       "USAGE", "OPEN", "IDLE"}};
  const auto& upstreams = answer["upstreams"].items;
  if (!upstreams.empty()) {
    for (const auto& [outcome, count] : upstreams.front()["attempts"].members) {
      std::string title = outcome;
      for (char& c : title) c = c == '_' ? '-' : static_cast<char>(c >= 'a' ? c - 32 : c);
      rows[0].push_back(title);
    }
  }
  for (const JsonValue& upstream : upstreams) {
    auto& row = rows.emplace_back();
    for (const std::string_view member :
         {"name", "state", "breaker", "breaker_s", "cooldown_s", "ejected_s", "in_flight"}) {
      row.push_back(upstream[member].cell());
    }
    row.push_back(render_places(upstream));
    for (const std::string_view member :
         {"first_token_ms", "whole_ms", "error_ratio", "minute_tokens"}) {
      row.push_back(upstream[member].cell());
    }
    row.push_back(render_words(upstream["tags"]));
    for (const std::string_view member :
         {"authority", "weight", "stream_usage", "connections_open", "connections_idle"}) {
      row.push_back(upstream[member].cell());
    }
    for (const auto& [outcome, count] : upstream["attempts"].members) row.push_back(count.cell());
    row.resize(rows[0].size());
  }
  return render_table(rows);
}

std::string render_spend(const JsonValue& answer) {
  std::string title = answer["by"].cell();
  for (char& c : title) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  std::vector<std::vector<std::string>> rows = {
      {title, "DOLLARS", "REQUESTS", "TOKENS-IN", "TOKENS-OUT", "UNPRICED", "UNKNOWN"}};
  for (const JsonValue& line : answer["spend"].items) {
    rows.push_back({line["name"].cell(), render_dollars(line["micro_dollars"].cell())});
    for (const std::string_view member :
         {"requests", "input_tokens", "output_tokens", "unpriced", "unknown"}) {
      rows.back().push_back(line[member].cell());
    }
  }
  const std::string window = answer["window"].cell();
  const std::string when = window == "total" ? "since the journal began" : "this " + window;
  if (rows.size() == 1) return "nothing was spent " + when + "\n";
  std::string text =
      "Spend " + when + (window == "total" ? "" : ", UTC") + "\n" + render_table(rows);
  const std::string left_out = answer["left_out"].cell();
  if (left_out != "0" && left_out != "-") text += "and " + left_out + " more that spent less\n";
  return text;
}

std::string render_reload(const JsonValue& answer) {
  return "reloaded, generation " + answer["generation"].cell() + " is in force\n" +
         render_sentences(answer["warnings"], "warning: ");
}

std::string render_drain(const JsonValue& answer) {
  const std::string time = answer["drain_timeout"].cell();
  return answer["began_now"].is_true() ? "draining; open streams have " + time + " to end\n"
                                       : "was draining already\n";
}

std::string render_order(const JsonValue& answer) {
  return "told " + answer["upstream"].cell() + "; sluicectl upstreams shows its state\n";
}

std::string render_refusal(const JsonValue& answer) {
  const JsonValue& message = answer["error"]["message"];
  std::string text = "refused: " + message.cell() + "\n";
  return text + render_sentences(answer["problems"], "");
}

}  // namespace sluice::sluicectl
