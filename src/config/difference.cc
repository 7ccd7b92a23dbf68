#include <sluice/config/difference.h>

#include <algorithm>
#include <optional>
#include <utility>

#include <absl/container/flat_hash_map.h>
#include <absl/strings/string_view.h>
#include <fmt/format.h>

#include "fields.h"

namespace sluice::config {
namespace {

constexpr size_t kShownBytesMax = 80;
constexpr std::string_view kMask = "***";

// A secret that stands elsewhere: "env://NAME" and "file:///path".
bool is_reference(std::string_view text) noexcept {
  const bool refers = text.starts_with("env://") || text.starts_with("file://");
  return refers && text.find("${") == std::string_view::npos;
}

bool is_secret(const Node& node, std::span<const TextPlace> secrets) noexcept {
  return std::ranges::binary_search(secrets, TextPlace{node.line, node.column}) &&
         !is_reference(node.text);
}

std::string shortened(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  if (text.size() > kShownBytesMax) text = text.substr(0, kShownBytesMax) + "...";
  return text;
}

const Node* name_of(const Node& item) {
  if (item.kind != NodeKind::kMapping) return nullptr;
  const Node* name = find_key(item, "name");
  return name != nullptr && name->kind == NodeKind::kScalar ? name : nullptr;
}

// Of an item that has a name, in the list at `path`.
std::string path_of_item(const std::string& path, const Node& item) {
  return fmt::format("{}.{}", path, shortened(name_of(item)->text));
}

bool are_named(const Node& list) {
  return std::ranges::all_of(list.children,
                             [](const Node& item) { return name_of(item) != nullptr; });
}

bool are_scalars(const Node& list) {
  return std::ranges::all_of(list.children,
                             [](const Node& item) { return item.kind == NodeKind::kScalar; });
}

class Comparison {
 public:
  Comparison(std::span<const TextPlace> secrets_before, std::span<const TextPlace> secrets_after)
      : secrets_before_(secrets_before), secrets_after_(secrets_after) {}

  void compare(const std::string& path, const Node& before, const Node& after);
  [[nodiscard]] std::vector<std::string> take();

 private:
  using Names = absl::flat_hash_map<absl::string_view, const Node*>;

  void add(const std::string& path, std::string_view what);
  // The same of an item of a list; builds its path only if the line will stand.
  void add_item(const std::string& path, const Node& item, std::string_view what);
  void compare_mappings(const std::string& path, const Node& before, const Node& after);
  void compare_lists(const std::string& path, const Node& before, const Node& after);
  void compare_named(const std::string& path, const Node& before, const Node& after);
  void compare_positions(const std::string& path, const Node& before, const Node& after);
  void compare_scalars(const std::string& path, const Node& before, const Node& after);
  [[nodiscard]] static std::string shown(const Node& node, std::span<const TextPlace> secrets);
  [[nodiscard]] static Names names_of(const Node& list);

  std::span<const TextPlace> secrets_before_;
  std::span<const TextPlace> secrets_after_;
  std::vector<std::string> lines_;
  size_t left_out_ = 0;
};

void Comparison::compare(const std::string& path, const Node& before, const Node& after) {
  if (before.kind != after.kind) return add(path, "changed");
  switch (before.kind) {
    case NodeKind::kScalar: return compare_scalars(path, before, after);
    case NodeKind::kSequence: return compare_lists(path, before, after);
    case NodeKind::kMapping: return compare_mappings(path, before, after);
    case NodeKind::kBroken: return;
  }
}

std::vector<std::string> Comparison::take() {
  if (left_out_ > 0) lines_.push_back(fmt::format("and {} more", left_out_));
  return std::move(lines_);
}

void Comparison::add(const std::string& path, std::string_view what) {
  if (lines_.size() == kDifferencesMost) {
    ++left_out_;
    return;
  }
  lines_.push_back(fmt::format("{}: {}", path, what));
}

void Comparison::add_item(const std::string& path, const Node& item, std::string_view what) {
  if (lines_.size() == kDifferencesMost) {
    ++left_out_;
  } else {
    add(path_of_item(path, item), what);
  }
}

void Comparison::compare_mappings(const std::string& path, const Node& before, const Node& after) {
  const auto below = [&](const Node& name) {
    return (path.empty() ? "" : path + ".") + shortened(name.text);
  };
  for (size_t i = 0; i + 1 < before.children.size(); i += 2) {
    const Node& name = before.children[i];
    const Node& value = before.children[i + 1];
    if (const Node* other = find_key(after, name.text)) {
      compare(below(name), value, *other);
    } else {
      const std::string was = shown(value, secrets_before_);
      add(below(name), was.empty() ? "removed" : "removed, was " + was);
    }
  }
  for (size_t i = 0; i + 1 < after.children.size(); i += 2) {
    const Node& name = after.children[i];
    if (find_key(before, name.text) != nullptr) continue;
    const std::string is = shown(after.children[i + 1], secrets_after_);
    add(below(name), is.empty() ? "added" : "added, " + is);
  }
}

void Comparison::compare_lists(const std::string& path, const Node& before, const Node& after) {
  if (are_named(before) && are_named(after)) return compare_named(path, before, after);
  if (!are_scalars(before) || !are_scalars(after)) return compare_positions(path, before, after);
  const bool is_same =
      std::ranges::equal(before.children, after.children, {}, &Node::text, &Node::text);
  if (is_same) return;
  add(path, fmt::format("{} -> {}", shown(before, secrets_before_), shown(after, secrets_after_)));
}

// The first of equal names.
Comparison::Names Comparison::names_of(const Node& list) {
  Names names;
  names.reserve(list.children.size());
  for (const Node& item : list.children) names.emplace(name_of(item)->text, &item);
  return names;
}

void Comparison::compare_named(const std::string& path, const Node& before, const Node& after) {
  const Names old_names = names_of(before);
  const Names new_names = names_of(after);
  std::vector<const Node*> stayed;
  for (const Node& item : before.children) {
    const auto found = new_names.find(name_of(item)->text);
    if (found == new_names.end()) {
      add_item(path, item, "removed");
    } else {
      compare(path_of_item(path, item), item, *found->second);
      stayed.push_back(found->second);
    }
  }
  for (const Node& item : after.children) {
    if (!old_names.contains(name_of(item)->text)) add_item(path, item, "added");
  }
  if (!std::ranges::is_sorted(stayed)) add(path, "the order has changed");
}

void Comparison::compare_positions(const std::string& path, const Node& before, const Node& after) {
  const size_t old_size = before.children.size();
  const size_t new_size = after.children.size();
  for (size_t i = 0; i < std::max(old_size, new_size); ++i) {
    const std::string below = fmt::format("{}[{}]", path, i);
    if (i >= new_size) {
      add(below, "removed");
    } else if (i >= old_size) {
      add(below, "added");
    } else {
      compare(below, before.children[i], after.children[i]);
    }
  }
}

void Comparison::compare_scalars(const std::string& path, const Node& before, const Node& after) {
  if (before.text == after.text) return;
  const bool hides = is_secret(before, secrets_before_) || is_secret(after, secrets_after_);
  if (hides) return add(path, "changed");
  add(path, fmt::format("{} -> {}", shortened(before.text), shortened(after.text)));
}

// "" for what is more than a value or a list of values.
std::string Comparison::shown(const Node& node, std::span<const TextPlace> secrets) {
  if (node.kind == NodeKind::kScalar) {
    return is_secret(node, secrets) ? std::string(kMask) : shortened(node.text);
  }
  if (node.kind != NodeKind::kSequence || !are_scalars(node)) return {};
  std::string text;
  for (const Node& item : node.children) {
    if (!text.empty()) text += ", ";
    text += shown(item, secrets);
    if (text.size() > kShownBytesMax) break;
  }
  return '[' + shortened(std::move(text)) + ']';
}

// `made` keeps a tree that was not at hand. Null for a text that is not YAML.
const Node* tree_of(const LoadedText& loaded, std::optional<Node>& made) {
  if (loaded.tree != nullptr) return loaded.tree;
  std::vector<Diagnostic> errors;
  made = read_yaml(loaded.text, "", errors);
  return made ? &*made : nullptr;
}

}  // namespace

std::vector<std::string> differences(const LoadedText& before, const LoadedText& after) {
  std::optional<Node> made_before;
  std::optional<Node> made_after;
  const Node* const old_tree = tree_of(before, made_before);
  const Node* const new_tree = tree_of(after, made_after);
  if (old_tree == nullptr || new_tree == nullptr) return {};
  Comparison comparison(before.secrets, after.secrets);
  comparison.compare("", *old_tree, *new_tree);
  return comparison.take();
}

std::string mask_secrets(const LoadedText& loaded) {
  // In quotes, since a `*` begins an alias.
  return replace_scalars(loaded.text, "\"***\"",
                         [&](const Node& node) { return is_secret(node, loaded.secrets); });
}

}  // namespace sluice::config
