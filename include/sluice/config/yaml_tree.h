// YAML text as a tree with places. The only file pair that sees libyaml.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/config/diagnostic.h>

namespace sluice::config {

enum class NodeKind : uint8_t {
  kScalar,
  kSequence,
  kMapping,
  kBroken,  // Reported already; whoever reads it stays silent.
};

struct Node {
  NodeKind kind = NodeKind::kScalar;
  bool is_plain = false;  // A scalar without quotes.
  uint32_t line = 0;
  uint32_t column = 0;
  std::string text;            // Of a scalar, as written, before variables are filled in.
  std::vector<Node> children;  // Items of a sequence; name, value, name, value ... of a mapping.
};

// Where a scalar begins, as Node has it.
struct TextPlace {
  uint32_t line = 0;
  uint32_t column = 0;
  auto operator<=>(const TextPlace&) const = default;
};

// Anchors, aliases, tags, further documents, repeated keys and keys that are not scalars are
// reported and left out. Empty when the text is not YAML, holds no document, or passes a bound;
// then something was reported too.
[[nodiscard]] std::optional<Node> read_yaml(std::string_view text, const std::string& file,
                                            std::vector<Diagnostic>& errors);

// The text with `mask` in place of each scalar that `is_meant`, quotes included. "" for a text that
// is not YAML.
[[nodiscard]] std::string replace_scalars(std::string_view text, std::string_view mask,
                                          const std::function<bool(const Node& scalar)>& is_meant);

}  // namespace sluice::config
