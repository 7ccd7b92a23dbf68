#include "field_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include <sluice/config/time_text.h>

namespace sluice::auth {
namespace {

constexpr size_t kNumberBytesMax = 64;

std::string_view trimmed(std::string_view text) noexcept {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }

bool has_control(std::string_view text) noexcept { return std::ranges::any_of(text, is_control); }

// What SQL and people write, as RFC 3339 has it.
std::string as_rfc3339(std::string_view text) {
  constexpr size_t kDateBytes = std::string_view("2026-12-31").size();
  constexpr size_t kHourOffsetBytes = std::string_view("+00").size();
  std::string date(text);
  if (date.size() == kDateBytes) return date + "T00:00:00Z";
  if (date.size() <= kDateBytes) return date;
  if (date[kDateBytes] == ' ') date[kDateBytes] = 'T';
  const size_t sign = date.find_first_of("+-Zz", kDateBytes);
  if (sign == std::string::npos) return date + "Z";
  if (date.size() - sign == kHourOffsetBytes) date += ":00";
  return date;
}

}  // namespace

FieldResult<double> read_number(const json::Value& value) {
  double number = 0;
  if (value.as_number(number) && std::isfinite(number)) return number;
  if (const std::string* text = value.as_string(); text != nullptr) {
    const std::string_view digits = trimmed(*text);
    const char* const end = digits.data() + digits.size();
    const bool is_short = !digits.empty() && digits.size() <= kNumberBytesMax;
    const auto [stop, fault] = std::from_chars(digits.data(), end, number);
    if (is_short && fault == std::errc() && stop == end && std::isfinite(number)) return number;
  }
  return std::unexpected("must be a number");
}

FieldResult<int64_t> read_integer(const json::Value& value, int64_t least, int64_t most) {
  const FieldResult<double> number = read_number(value);
  const bool is_good = number && std::trunc(*number) == *number &&
                       *number >= static_cast<double>(least) &&
                       *number <= static_cast<double>(most);
  if (is_good) return static_cast<int64_t>(*number);
  return std::unexpected(fmt::format("must be a whole number from {} to {}", least, most));
}

FieldResult<bool> read_boolean(const json::Value& value) {
  if (const bool* is_so = value.as_boolean(); is_so != nullptr) return *is_so;
  std::string word;
  if (const std::string* text = value.as_string(); text != nullptr) word = trimmed(*text);
  int64_t number = 0;
  if (value.as_integer(number)) word = number == 0 ? "0" : number == 1 ? "1" : "";
  std::ranges::transform(word, word.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  static constexpr std::array<std::string_view, 4> kTrue = {"true", "1", "yes", "t"};
  static constexpr std::array<std::string_view, 4> kFalse = {"false", "0", "no", "f"};
  if (std::ranges::find(kTrue, word) != kTrue.end()) return true;
  if (std::ranges::find(kFalse, word) != kFalse.end()) return false;
  return std::unexpected("must be true or false");
}

FieldResult<std::string> read_text(const json::Value& value, size_t bytes_max) {
  std::string text;
  if (const std::string* said = value.as_string(); said != nullptr) {
    text = trimmed(*said);
  } else if (double number = 0; value.as_number(number)) {
    value.write(text);
  } else {
    return std::unexpected("must be a text");
  }
  if (text.size() > bytes_max) {
    return std::unexpected(fmt::format("must not be longer than {} bytes", bytes_max));
  }
  if (has_control(text)) return std::unexpected("must not have control characters");
  return text;
}

FieldResult<WallTime> read_time(const json::Value& value) {
  if (const FieldResult<double> number = read_number(value)) {
    if (*number >= 0 && *number <= kUnixSecondsMost) {
      return WallTime{static_cast<int64_t>(*number * kMicrosOfSecond)};
    }
    return std::unexpected("must be in seconds since 1970 when it is a number");
  }
  if (const std::string* text = value.as_string(); text != nullptr) {
    const std::optional<WallTime> time = config::parse_rfc3339(as_rfc3339(trimmed(*text)));
    if (time) return *time;
  }
  return std::unexpected("must be a date such as 2026-12-31T23:59:59Z, or Unix seconds");
}

FieldResult<std::vector<std::string>> read_list(const json::Value& value, size_t items_max,
                                                size_t bytes_max) {
  std::vector<std::string> items;
  const auto add = [&](const json::Value& item) -> std::string {
    FieldResult<std::string> text = read_text(item, bytes_max);
    if (!text) return "has an item that " + text.error();
    if (text->empty()) return "";
    if (items.size() >= items_max)
      return fmt::format("must not have more than {} items", items_max);
    items.push_back(*std::move(text));
    return "";
  };
  std::string fault;
  if (const json::Array* array = value.as_array(); array != nullptr) {
    for (const json::Value& item : *array) {
      if (fault = add(item); !fault.empty()) break;
    }
  } else if (const std::string* text = value.as_string(); text != nullptr) {
    std::string_view rest = *text;
    while (!rest.empty() && fault.empty()) {
      const size_t end = std::min(rest.find(','), rest.size());
      fault = add(json::Value(std::string(rest.substr(0, end))));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  } else {
    fault = "must be a list";
  }
  if (!fault.empty()) return std::unexpected(std::move(fault));
  return items;
}

}  // namespace sluice::auth
