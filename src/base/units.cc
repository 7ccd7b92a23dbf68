#include <sluice/base/units.h>

#include <array>
#include <charconv>

namespace sluice {
namespace {

constexpr uint64_t kLargest = INT64_MAX;

struct Unit {
  std::string_view name;
  uint64_t factor;
};

constexpr std::array kByteUnits = {
    Unit{"GiB", 1ull << 30},
    Unit{"MiB", 1ull << 20},
    Unit{"KiB", 1ull << 10},
    Unit{"GB", 1'000'000'000},
    Unit{"MB", 1'000'000},
    Unit{"KB", 1'000},
    Unit{"B", 1},
};

// Largest first: parts of a duration must come in this order.
constexpr std::array kTimeUnits = {
    Unit{"d", 86'400'000'000'000}, Unit{"h", 3'600'000'000'000}, Unit{"m", 60'000'000'000},
    Unit{"s", 1'000'000'000},      Unit{"ms", 1'000'000},        Unit{"us", 1'000},
};

// Takes the leading digits off `text`; empty when there are none or they pass 63 bits.
std::optional<uint64_t> take_number(std::string_view& text) noexcept {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number > kLargest) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

std::string_view take_letters(std::string_view& text) noexcept {
  size_t length = 0;
  while (length < text.size() && (text[length] < '0' || text[length] > '9')) ++length;
  const std::string_view letters = text.substr(0, length);
  text.remove_prefix(length);
  return letters;
}

}  // namespace

std::optional<uint64_t> parse_bytes(std::string_view text) noexcept {
  const auto number = take_number(text);
  if (!number) return std::nullopt;
  if (text.empty()) return number;
  for (const Unit& unit : kByteUnits) {
    if (text != unit.name) continue;
    if (*number > kLargest / unit.factor) return std::nullopt;
    return *number * unit.factor;
  }
  return std::nullopt;
}

std::optional<Duration> parse_duration(std::string_view text) noexcept {
  if (text == "0") return Duration::zero();
  if (text.empty()) return std::nullopt;
  uint64_t total = 0;
  size_t unit_index_min = 0;
  while (!text.empty()) {
    const auto number = take_number(text);
    if (!number) return std::nullopt;
    const std::string_view name = take_letters(text);
    size_t index = unit_index_min;
    while (index < kTimeUnits.size() && kTimeUnits[index].name != name) ++index;
    if (index == kTimeUnits.size()) return std::nullopt;
    const uint64_t factor = kTimeUnits[index].factor;
    if (*number > (kLargest - total) / factor) return std::nullopt;
    total += *number * factor;
    unit_index_min = index + 1;
  }
  return Duration{static_cast<int64_t>(total)};
}

std::string format_bytes(uint64_t bytes) {
  for (const Unit& unit : kByteUnits) {
    if (bytes != 0 && unit.factor > 1 && bytes % unit.factor == 0) {
      return std::to_string(bytes / unit.factor) + std::string(unit.name);
    }
  }
  return std::to_string(bytes) + "B";
}

std::string format_duration(Duration duration) {
  auto rest = static_cast<uint64_t>(duration.count());
  std::string text;
  for (const Unit& unit : kTimeUnits) {
    if (rest < unit.factor) continue;
    text += std::to_string(rest / unit.factor) + std::string(unit.name);
    rest %= unit.factor;
  }
  return text.empty() ? "0" : text;
}

}  // namespace sluice
