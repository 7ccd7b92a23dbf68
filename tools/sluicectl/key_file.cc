#include "key_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "arguments.h"
#include "command.h"

namespace sluice::sluicectl {
namespace {

constexpr size_t kFileBytesMax = 64u << 20;
constexpr std::string_view kLimitPrefix = "limits.";

using Line = std::vector<std::string>;

// RFC 4180: cells in quotes may hold commas, line ends and doubled quotes. Empty when a quote is
// left open.
std::expected<std::vector<Line>, std::string> read_csv(std::string_view text) {
  std::vector<Line> lines;
  Line line;
  std::string cell;
  bool is_quoted = false;
  bool has_begun = false;
  const auto end_line = [&] {
    if (has_begun) {
      line.push_back(std::move(cell));
      lines.push_back(std::move(line));
    }
    line.clear();
    cell.clear();
    has_begun = false;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_quoted) {
      const bool is_doubled = c == '"' && i + 1 < text.size() && text[i + 1] == '"';
      if (c != '"' || is_doubled) cell += c;
      if (is_doubled) ++i;
      if (c == '"' && !is_doubled) is_quoted = false;
    } else if (c == '\n' || c == '\r') {
      end_line();
    } else if (c == ',') {
      line.push_back(std::move(cell));
      cell.clear();
      has_begun = true;
    } else if (c == '"' && cell.empty()) {
      is_quoted = has_begun = true;
    } else {
      cell += c;
      has_begun = true;
    }
  }
  if (is_quoted) return std::unexpected("the file of keys ends inside quotes");
  end_line();
  return lines;
}

const Parameter* find_member(std::string_view member) {
  static constexpr std::array<Parameter, 4> kOfFile = {{
      {.name = "id", .purpose = "", .member = "id"},
      {.name = "secret", .purpose = "", .member = "secret"},
      {.name = "sha256", .purpose = "", .member = "sha256"},
      {.name = "prefix", .purpose = "", .member = "prefix"},
  }};
  const auto of_file = std::ranges::find(kOfFile, member, &Parameter::member);
  if (of_file != kOfFile.end()) return &*of_file;
  const auto keys = key_parameters();
  const auto found = std::ranges::find(keys, member, &Parameter::member);
  return found == keys.end() ? nullptr : &*found;
}

std::vector<std::string> words_of(const Parameter& parameter, const std::string& cell) {
  if (!parameter.is_many()) return {cell};
  std::string spaced = cell;
  std::ranges::replace(spaced, ';', ' ');
  std::vector<std::string> words;
  for (const std::string_view word : split(spaced, ' ')) words.emplace_back(word);
  return words;
}

// One cell into the members of a key. The error is a sentence without the cell's text, which may
// be a secret.
std::expected<void, std::string> add_cell(const std::string& column, const std::string& cell,
                                          int64_t now, json::Object& key, json::Object& limits) {
  if (column.starts_with(kLimitPrefix)) {
    auto number = json::parse_value(cell);
    double unused = 0;
    if (!number || !number->as_number(unused)) return std::unexpected(column + " must be a number");
    limits.push_back({column.substr(kLimitPrefix.size()), *std::move(number)});
    return {};
  }
  const Parameter* parameter = find_member(column);
  auto value = value_of(*parameter, words_of(*parameter, cell), now);
  if (!value) return std::unexpected("in column " + column + ": " + value.error());
  key.push_back({column, *std::move(value)});
  return {};
}

std::expected<json::Array, std::string> keys_of_csv(std::string_view text, int64_t now) {
  const auto lines = read_csv(text);
  if (!lines) return std::unexpected(lines.error());
  if (lines->empty()) {
    return std::unexpected("the file of keys is empty; an empty list in JSON is []");
  }
  const Line& columns = lines->front();
  for (const std::string& column : columns) {
    if (!column.starts_with(kLimitPrefix) && find_member(column) == nullptr) {
      return std::unexpected(
          "the first line of the file of keys must name known columns, such as name, secret, team, "
          "models and limits.requests_per_minute; column " +
          std::to_string(&column - columns.data() + 1) + " is none");
    }
  }
  json::Array keys;
  for (size_t row = 1; row < lines->size(); ++row) {
    const Line& line = (*lines)[row];
    const std::string place = "line " + std::to_string(row + 1) + " of the file of keys: ";
    if (line.size() != columns.size()) {
      return std::unexpected(place + "it has " + std::to_string(line.size()) + " cells, not " +
                             std::to_string(columns.size()));
    }
    json::Object key;
    json::Object limits;
    for (size_t i = 0; i < line.size(); ++i) {
      if (line[i].empty()) continue;
      if (auto done = add_cell(columns[i], line[i], now, key, limits); !done) {
        return std::unexpected(place + done.error());
      }
    }
    if (!limits.empty()) key.push_back({"limits", json::Value(std::move(limits))});
    keys.push_back(json::Value(std::move(key)));
  }
  return keys;
}

}  // namespace

std::expected<std::string, std::string> read_file(const std::string& path) {
  const bool is_input = path == "-";
  const auto close = [](FILE* file) {
    if (file != nullptr && file != stdin) std::fclose(file);
  };
  const std::unique_ptr<FILE, decltype(close)> file(
      is_input ? stdin : std::fopen(path.c_str(), "rbe"), close);
  const std::string name = is_input ? "standard input" : path;
  if (file == nullptr) {
    return std::unexpected("cannot open " + name + ": " + std::strerror(errno));
  }
  std::string text;
  char piece[64 * 1024];
  size_t count = 0;
  while ((count = std::fread(piece, 1, sizeof piece, file.get())) > 0) {
    text.append(piece, count);
    if (text.size() > kFileBytesMax) return std::unexpected(name + " has more than 64 MiB");
  }
  if (std::ferror(file.get()) != 0) {
    return std::unexpected("cannot read " + name + ": " + std::strerror(errno));
  }
  return text;
}

std::expected<json::Array, std::string> read_keys(std::string_view text, int64_t now) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  const bool is_json =
      first != std::string_view::npos && (text[first] == '[' || text[first] == '{');
  if (!is_json) return keys_of_csv(text, now);
  const auto value = json::parse_value(
      text, {.bytes_max = kFileBytesMax, .depth_max = 32, .values_max = 1u << 24});
  if (!value) {
    return std::unexpected("the file of keys is not JSON: " + std::string(value.error()));
  }
  const json::Value* list = value->as_object() == nullptr ? &*value : value->find("keys");
  const json::Array* keys = list == nullptr ? nullptr : list->as_array();
  const bool are_objects =
      keys != nullptr &&
      std::ranges::all_of(*keys, [](const json::Value& key) { return key.as_object() != nullptr; });
  if (!are_objects) {
    return std::unexpected("the file of keys must be an array of objects, or have it as `keys`");
  }
  return *keys;
}

std::expected<json::Array, std::string> read_key_file(const std::string& path, int64_t now) {
  const auto text = read_file(path);
  if (!text) return std::unexpected(text.error());
  return read_keys(*text, now);
}

}  // namespace sluice::sluicectl
