// The one table of options: what `--name` means on the command line, `name:` means in a scenario.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plan/settings.h"

namespace sluice::load {

// Settings on their way: what depends on other options waits as text.
struct Draft {
  Settings settings;
  std::string target;
  std::string rate;
  std::string duration;
  std::string spread;
  std::string phase = "streaming";
  std::string body_file;
  std::string reference_file;
  std::string reference_url;
  std::string stats_url;
  std::string freeze;
  std::vector<Tenant> keys;
  std::optional<uint32_t> connections;
  int receive_buffer = 0;  // 0 is the mode's own.
  uint64_t events = 0;
  double interval_ms = 20;
  bool stamps = false;
  bool is_fixed = false;
};

enum class OptionKind : uint8_t { kValue, kFlag, kList };

struct Option {
  std::string_view name;   // In a scenario; with hyphens on the command line.
  std::string_view flags;  // On the command line, when it is named otherwise there.
  OptionKind kind;
  std::string_view help;
  // Takes all values that were given, which replace those of before. Empty, or the reason why not.
  std::string (*read)(std::span<const std::string> values, Draft& draft);
};

[[nodiscard]] std::span<const Option> all_options();
[[nodiscard]] const Option* find_option(std::string_view name);

// Reads files, looks up hosts, and settles what depends on several options. The error is
// "name: reason".
[[nodiscard]] std::expected<Settings, std::string> finish(Draft draft);

}  // namespace sluice::load
