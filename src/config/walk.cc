#include "walk.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include <sluice/base/units.h>

#include "expand.h"

namespace sluice::config {
namespace {

constexpr size_t kDiagnosticsMax = 1000;
constexpr size_t kSecretFileBytesMax = 64 * 1024;
constexpr size_t kLabelBytesMax = 64;
constexpr size_t kSuggestionBytesMax = 64;
constexpr std::string_view kVariable = "env://";
constexpr std::string_view kFile = "file://";

bool is_absent(const Node& node) noexcept {
  return node.is_plain && (node.text.empty() || node.text == "~" || node.text == "null");
}

// Digits without a leading zero, which YAML readers take for octal or not as they like.
std::optional<uint64_t> parse_whole(std::string_view text) noexcept {
  if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
  if (text.size() > 1 && text[0] == '0') return std::nullopt;
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

bool is_label_byte(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

bool has_control(std::string_view text) noexcept {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// Letters to add, drop, replace or swap with their neighbour until `left` is `right`; both texts
// are at most kSuggestionBytesMax long.
size_t distance(std::string_view left, std::string_view right) noexcept {
  using Row = std::array<size_t, kSuggestionBytesMax + 1>;
  std::array<Row, 3> rows{};
  for (size_t j = 0; j <= right.size(); ++j) rows[0][j] = j;
  for (size_t i = 1; i <= left.size(); ++i) {
    Row& row = rows[i % 3];
    const Row& above = rows[(i - 1) % 3];
    const Row& second_above = rows[(i + 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= right.size(); ++j) {
      const size_t replaced = above[j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, above[j] + 1, row[j - 1] + 1});
      const bool is_swap =
          i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
      if (is_swap) row[j] = std::min(row[j], second_above[j - 2] + 1);
    }
  }
  return rows[left.size() % 3][right.size()];
}

void strip_newline(std::string& text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
}

}  // namespace

std::string_view nearest(std::string_view name, std::span<const std::string_view> known) {
  std::string_view best;
  if (name.size() > kSuggestionBytesMax) return best;
  size_t best_distance = 1 + std::max<size_t>(1, name.size() / 3);
  for (const std::string_view candidate : known) {
    if (candidate.size() > kSuggestionBytesMax) continue;
    const size_t candidate_distance = distance(name, candidate);
    // Equal distances go to the first by the alphabet, so that the answer has no order of a map.
    if (candidate_distance > best_distance) continue;
    if (candidate_distance == best_distance && (best.empty() || candidate > best)) continue;
    best = candidate;
    best_distance = candidate_distance;
  }
  return best;
}

std::optional<NameTable::Place> NameTable::add(const std::string& name, Place place) {
  const auto [entry, is_new] = places_.emplace(name, place);
  if (is_new) return std::nullopt;
  return entry->second;
}

std::optional<NameTable::Place> NameTable::find(const std::string& name) const {
  const auto entry = places_.find(name);
  if (entry == places_.end()) return std::nullopt;
  return entry->second;
}

std::string_view NameTable::nearest_to(std::string_view name) const {
  std::vector<std::string_view> known;
  known.reserve(places_.size());
  for (const auto& [candidate, place] : places_) known.push_back(candidate);
  return nearest(name, known);
}

std::string Walk::suggestion(const NameTable& names, std::string_view name) {
  if (suggestions_left_ == 0) return {};
  --suggestions_left_;
  const std::string_view best = names.nearest_to(name);
  if (best.empty()) return {};
  return fmt::format(" (did you mean `{}`?)", best);
}

std::string Walk::path_text() const {
  std::string text;
  for (const Segment& segment : path_) {
    if (segment.name.empty()) {
      text += fmt::format("[{}]", segment.index);
    } else {
      if (!text.empty()) text += '.';
      text += segment.name;
    }
  }
  return text;
}

void Walk::error(const Node& at, const Fault& fault) { error(at, fault.cause, fault.remedy); }

void Walk::error(const Node& at, std::string cause, std::string remedy) {
  if (at.kind == NodeKind::kBroken || outcome_.errors.size() >= kDiagnosticsMax) return;
  const std::string place = path_text();
  if (!place.empty()) cause = place + ' ' + cause;
  outcome_.errors.push_back({file_, at.line, at.column, std::move(cause), std::move(remedy)});
}

void Walk::warn(const Node& at, std::string cause, std::string remedy) {
  if (outcome_.warnings.size() >= kDiagnosticsMax) return;
  const std::string place = path_text();
  if (!place.empty()) cause = place + ' ' + cause;
  outcome_.warnings.push_back({file_, at.line, at.column, std::move(cause), std::move(remedy)});
}

bool Walk::is_mapping(const Node& node) {
  if (node.kind == NodeKind::kMapping) return true;
  error(node,
        path_.empty() ? "the file must be a mapping of keys to values"
                      : "must be a mapping of keys to values",
        path_.empty() ? "start from configs/minimal.yaml"
                      : "write `key: value` lines below it, indented");
  return false;
}

bool Walk::is_sequence(const Node& node) {
  if (node.kind == NodeKind::kSequence) return true;
  error(node, "must be a list", "write one `- item` line for each item, or [a, b]");
  return false;
}

std::optional<std::string> Walk::text(const Node& node) {
  if (node.kind == NodeKind::kBroken) return std::nullopt;
  if (node.kind != NodeKind::kScalar) {
    error(node, "must be a single value", "write it behind the colon; quote it if it has brackets");
    return std::nullopt;
  }
  if (is_absent(node)) {
    error(node, "has no value", "write one, or remove the key");
    return std::nullopt;
  }
  auto value = expand(node.text, environment_);
  if (!value) {
    error(node, value.error());
    return std::nullopt;
  }
  if (value->empty()) {
    error(node, "is empty", "write a value, or remove the key");
    return std::nullopt;
  }
  return std::move(*value);
}

std::optional<uint64_t> Walk::number(const Node& node, uint64_t min, uint64_t max) {
  const auto value = text(node);
  if (!value) return std::nullopt;
  const std::string example = fmt::format("write a whole number such as {}", std::max(min, 1ul));
  const auto parsed = parse_whole(*value);
  if (!parsed) {
    error(node, "must be a whole number", example);
  } else if (*parsed < min) {
    error(node, fmt::format("must be {} or more", min), example);
  } else if (*parsed > max) {
    error(node, fmt::format("must be {} or less", max), example);
  } else {
    return parsed;
  }
  return std::nullopt;
}

std::optional<uint64_t> Walk::count(const Node& node, uint64_t min, uint64_t max) {
  const auto value = text(node);
  if (!value) return std::nullopt;
  constexpr const char* kExample = "write a whole number such as 600, 20k or 1M";
  const uint64_t factor = value->back() == 'k' ? 1000 : value->back() == 'M' ? 1'000'000 : 1;
  std::string_view digits = *value;
  if (factor > 1) digits.remove_suffix(1);
  const auto parsed = parse_whole(digits);
  if (!parsed) {
    error(node, "must be a whole number, with k or M behind it or without", kExample);
  } else if (*parsed > max / factor) {
    error(node, fmt::format("must be {} or less", max), kExample);
  } else if (*parsed * factor < min) {
    error(node, fmt::format("must be {} or more", min), kExample);
  } else {
    return *parsed * factor;
  }
  return std::nullopt;
}

std::optional<uint64_t> Walk::bytes(const Node& node, uint64_t min, uint64_t max) {
  const auto value = text(node);
  if (!value) return std::nullopt;
  const auto parsed = parse_bytes(*value);
  if (!parsed || value->back() != 'B') {
    error(node, "must be a size with a unit", "write it as 64KiB or 32MiB");
  } else if (*parsed < min) {
    error(node, fmt::format("must be {} or more", format_bytes(min)), "write a larger size");
  } else if (*parsed > max) {
    error(node, fmt::format("must be {} or less", format_bytes(max)), "write a smaller size");
  } else {
    return parsed;
  }
  return std::nullopt;
}

std::optional<Duration> Walk::duration(const Node& node, Duration min, Duration max) {
  const auto value = text(node);
  if (!value) return std::nullopt;
  const auto parsed = parse_duration(*value);
  if (!parsed || (*value == "0" && min > Duration::zero())) {
    error(node, "must be a duration with a unit", "write it as 250ms, 30s or 1m30s");
  } else if (*parsed < min) {
    error(node, fmt::format("must be {} or more", format_duration(min)), "write a longer time");
  } else if (*parsed > max) {
    error(node, fmt::format("must be {} or less", format_duration(max)), "write a shorter time");
  } else {
    return parsed;
  }
  return std::nullopt;
}

std::optional<Duration> Walk::switched_duration(const Node& node, Duration min, Duration max) {
  const auto value = text(node);
  if (!value) return std::nullopt;
  if (*value == "off" || *value == "0") return Duration::zero();
  const auto parsed = parse_duration(*value);
  if (parsed == Duration::zero()) return parsed;
  if (!parsed) {
    error(node, "must be a duration with a unit, or off", "write it as 250ms, 30s or 1m30s");
  } else if (*parsed < min) {
    error(node, fmt::format("must be off, or {} or more", format_duration(min)),
          "write a longer time, or off");
  } else if (*parsed > max) {
    error(node, fmt::format("must be {} or less", format_duration(max)), "write a shorter time");
  } else {
    return parsed;
  }
  return std::nullopt;
}

std::optional<double> Walk::share(const Node& node, double min, double max) {
  const auto value = text(node);
  if (!value) return std::nullopt;
  double percent = 0;
  const char* const end = value->data() + value->size() - 1;
  const auto [stop, failed] =
      std::from_chars(value->data(), end, percent, std::chars_format::fixed);
  const bool has_digit_first = (*value)[0] >= '0' && (*value)[0] <= '9';
  if (failed != std::errc{} || stop != end || *end != '%' || !has_digit_first) {
    error(node, "must be a share in percent", "write it as 20% or 2.5%");
  } else if (percent < 100 * min) {
    error(node, fmt::format("must be {:.6g}% or more", 100 * min), "write a larger share");
  } else if (percent > 100 * max) {
    error(node, fmt::format("must be {:.6g}% or less", 100 * max), "write a smaller share");
  } else {
    return percent / 100;
  }
  return std::nullopt;
}

std::optional<bool> Walk::boolean(const Node& node) {
  static constexpr std::array<std::string_view, 4> kWords = {"true", "on", "false", "off"};
  const auto index = choice(node, kWords);
  if (!index) return std::nullopt;
  return *index < 2;
}

std::optional<double> Walk::decimal(const Node& node, double max) {
  const auto value = text(node);
  if (!value) return std::nullopt;
  double number = 0;
  const char* const end = value->data() + value->size();
  const auto [stop, failed] = std::from_chars(value->data(), end, number, std::chars_format::fixed);
  const bool has_digit_first = (*value)[0] >= '0' && (*value)[0] <= '9';
  if (failed != std::errc{} || stop != end || !has_digit_first) {
    error(node, "must be a decimal number of 0 or more", "write it as 0.15");
  } else if (number > max) {
    error(node, fmt::format("must be {} or less", max), "write a smaller number");
  } else {
    return number;
  }
  return std::nullopt;
}

std::optional<size_t> Walk::choice(const Node& node, std::span<const std::string_view> words) {
  const auto value = text(node);
  if (!value) return std::nullopt;
  const auto found = std::find(words.begin(), words.end(), *value);
  if (found != words.end()) return static_cast<size_t>(found - words.begin());
  error(node, fmt::format("must be one of: {}", fmt::join(words, ", ")), "write one of them");
  return std::nullopt;
}

std::optional<std::string> Walk::label(const Node& node) {
  auto value = text(node);
  if (!value) return std::nullopt;
  if (value->size() <= kLabelBytesMax && std::all_of(value->begin(), value->end(), is_label_byte)) {
    return value;
  }
  error(node, "must be at most 64 letters, digits, '.', '_' or '-'", "choose such a name");
  return std::nullopt;
}

std::optional<std::string> Walk::path(const Node& node, size_t bytes_max) {
  auto value = text(node);
  if (!value) return std::nullopt;
  if (has_control(*value)) {
    error(node, "has a control character", "write a plain file name");
  } else if (value->size() > bytes_max) {
    error(node, fmt::format("must be at most {} bytes long", bytes_max), "choose a shorter path");
  } else {
    return value;
  }
  return std::nullopt;
}

std::optional<std::string> Walk::full_path(const Node& node, size_t bytes_max) {
  auto value = path(node, bytes_max);
  if (!value || value->starts_with('/')) return value;
  error(node, "must be a full path", "begin it with '/'");
  return std::nullopt;
}

std::optional<std::string> Walk::secret(const Node& node) {
  auto value = text_or_reference(node);
  const bool is_plain = node.text.find("${") == std::string::npos &&
                        !node.text.starts_with(kVariable) && !node.text.starts_with(kFile);
  if (value && is_plain && plain_secret == nullptr) plain_secret = &node;
  return value;
}

std::optional<std::string> Walk::text_or_reference(const Node& node, bool is_open) {
  if (!is_open && node.kind == NodeKind::kScalar) secrets.push_back({node.line, node.column});
  auto value = text(node);
  if (!value) return std::nullopt;
  if (value->starts_with(kVariable)) {
    value = secret_of_variable(node, value->substr(kVariable.size()));
  } else if (value->starts_with(kFile)) {
    value = secret_of_file(node, value->substr(kFile.size()));
  }
  if (!value) return std::nullopt;
  if (has_control(*value)) {
    error(node, "has a control character or line break in its value",
          "keep the value alone in one line");
    return std::nullopt;
  }
  return value;
}

std::optional<std::string> Walk::secret_of_variable(const Node& node, const std::string& name) {
  if (!is_variable_name(name)) {
    error(node, "has an env:// that is not followed by a variable's name", "write env://NAME");
    return std::nullopt;
  }
  auto value = environment_.variable(name);
  if (value && !value->empty()) return value;
  error(node, fmt::format("needs the variable {}, which is not set or is empty", name),
        fmt::format("set {} to the secret", name));
  return std::nullopt;
}

std::optional<std::string> Walk::secret_of_file(const Node& node, const std::string& path) {
  if (!path.starts_with('/') || has_control(path)) {
    error(node, "must name its file with a full path", "write file:///path/of/the/file");
    return std::nullopt;
  }
  // What a variable put into the path may be a secret itself, and is not repeated.
  const bool is_as_written = node.text.find("${") == std::string::npos;
  const std::string shown = is_as_written ? path : "<path with a variable>";
  auto file = environment_.read(path, kSecretFileBytesMax);
  if (!file) {
    error(node, fmt::format("names the file {}, which cannot be read: {}", shown, file.error()),
          "create the file, or let this user read it");
    return std::nullopt;
  }
  strip_newline(file->text);
  if (file->text.empty()) {
    error(node, fmt::format("names the file {}, which is empty", shown), "put the secret into it");
    return std::nullopt;
  }
  if (file->others_may_read) {
    warn(node, fmt::format("names the file {}, which every user may read", shown),
         fmt::format("run `chmod 600 {}`", shown));
  }
  return std::move(file->text);
}

}  // namespace sluice::config
