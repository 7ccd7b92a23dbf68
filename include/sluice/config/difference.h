// What is different between two texts of a configuration, and a text without its secrets: for
// people, and never with a secret in it.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/config/yaml_tree.h>

namespace sluice::config {

// Lines that differences() gives at most; a last one then counts the others.
inline constexpr size_t kDifferencesMost = 100;

// A text that has been loaded, with the places of its secrets in order (LoadOutcome::secrets).
struct LoadedText {
  std::string_view text;
  std::span<const TextPlace> secrets;
  const Node* tree = nullptr;  // Of the text, where it is at hand: reading it again takes longest.
};

// "models.llama.strategy: power_of_two -> random", "upstreams.spare: added", in the order of the
// file. Items of lists go by their `name`, where they have one. A secret only `changed`, unless it
// is a reference. Nothing for a text that is not YAML.
[[nodiscard]] std::vector<std::string> differences(const LoadedText& before,
                                                   const LoadedText& after);

// The text with "***" in place of each secret that stands in it; references stay. "" for a text
// that is not YAML.
[[nodiscard]] std::string mask_secrets(const LoadedText& loaded);

}  // namespace sluice::config
