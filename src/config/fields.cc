#include "fields.h"

namespace sluice::config {

const Node* find_key(const Node& mapping, std::string_view name) {
  for (size_t i = 0; i + 1 < mapping.children.size(); i += 2) {
    if (mapping.children[i].text == name) return &mapping.children[i + 1];
  }
  return nullptr;
}

bool is_off(const Node& node) noexcept {
  return node.kind == NodeKind::kScalar && (node.text == "off" || node.text == "false");
}

void report_unknown_keys(Walk& walk, const Node& mapping, std::span<const std::string_view> known) {
  for (size_t i = 0; i + 1 < mapping.children.size(); i += 2) {
    const Node& name = mapping.children[i];
    if (std::find(known.begin(), known.end(), name.text) != known.end()) continue;
    const std::string_view subject = walk.path_text().empty() ? "the file " : "";
    const std::string_view near = nearest(name.text, known);
    walk.error(name, fmt::format("{}has an unknown key `{:.64}`", subject, name.text),
               near.empty() ? fmt::format("the keys here are: {}", fmt::join(known, ", "))
                            : fmt::format("did you mean `{}`?", near));
  }
}

}  // namespace sluice::config
