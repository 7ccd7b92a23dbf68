// The schema's grammar: a mapping is a table of fields, each with a name and a way to read it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "walk.h"

namespace sluice::config {

enum class Presence : bool { kOptional, kRequired };

template <class T>
struct Field {
  std::string_view name;
  void (*read)(Walk& walk, const Node& node, T& out);
  Presence presence = Presence::kOptional;
  // Appends the names below this one, each behind `prefix`; null for a single value.
  void (*list)(const std::string& prefix, std::vector<std::string>& names) = nullptr;
};

// Names that no field of `known` has are reported with the nearest one that exists.
void report_unknown_keys(Walk& walk, const Node& mapping, std::span<const std::string_view> known);
[[nodiscard]] const Node* find_key(const Node& mapping, std::string_view name);
[[nodiscard]] bool is_off(const Node& node) noexcept;

// Reads in the order of the table, not of the file, so that a field may rely on those before it.
template <class T, size_t N>
void read_mapping(Walk& walk, const Node& node, const std::array<Field<T>, N>& table, T& out) {
  if (!walk.is_mapping(node)) return;
  std::array<std::string_view, N> names;
  for (size_t i = 0; i < N; ++i) names[i] = table[i].name;
  report_unknown_keys(walk, node, names);
  for (const Field<T>& field : table) {
    const Walk::Step step(walk, field.name);
    if (const Node* value = find_key(node, field.name)) {
      field.read(walk, *value, out);
    } else if (field.presence == Presence::kRequired) {
      walk.error(node, "is missing", fmt::format("add a line `{}:` with its value", field.name));
    }
  }
}

template <class T, size_t N>
void list_keys(const std::array<Field<T>, N>& table, const std::string& prefix,
               std::vector<std::string>& names) {
  for (const Field<T>& field : table) {
    names.push_back(prefix + std::string(field.name));
    if (field.list != nullptr) field.list(names.back() + '.', names);
  }
}

// Calls `read(item, i)` for each item of a list that must have between one and `items_max`.
template <class Read>
void read_list(Walk& walk, const Node& node, size_t items_max, Read read) {
  if (!walk.is_sequence(node)) return;
  if (node.children.empty()) {
    walk.error(node, "is an empty list", "add an item, or remove the key");
  } else if (node.children.size() > items_max) {
    walk.error(node, fmt::format("has more than {} items", items_max), "remove some");
    return;
  }
  for (size_t i = 0; i < node.children.size(); ++i) {
    const Walk::Step step(walk, i);
    read(node.children[i], i);
  }
}

// Ways to read, made from a member and its bounds.

template <auto Member, uint64_t Min, uint64_t Max>
inline constexpr auto read_number = [](Walk& walk, const Node& node, auto& out) {
  using Number = std::remove_reference_t<decltype(out.*Member)>;
  if (const auto value = walk.number(node, Min, Max)) out.*Member = static_cast<Number>(*value);
};

template <auto Member, uint64_t Min, uint64_t Max>
inline constexpr auto read_bytes = [](Walk& walk, const Node& node, auto& out) {
  using Number = std::remove_reference_t<decltype(out.*Member)>;
  if (const auto value = walk.bytes(node, Min, Max)) out.*Member = static_cast<Number>(*value);
};

// Bounds in milliseconds.
template <auto Member, int64_t Min, int64_t Max>
inline constexpr auto read_duration = [](Walk& walk, const Node& node, auto& out) {
  if (const auto value = walk.duration(node, milliseconds(Min), milliseconds(Max))) {
    out.*Member = *value;
  }
};

// Bounds in milliseconds of what is not switched off by `off` or 0.
template <auto Member, int64_t Min, int64_t Max>
inline constexpr auto read_switched_duration = [](Walk& walk, const Node& node, auto& out) {
  if (const auto value = walk.switched_duration(node, milliseconds(Min), milliseconds(Max))) {
    out.*Member = *value;
  }
};

// Bounds in thousandths.
template <auto Member, uint32_t Min, uint32_t Max>
inline constexpr auto read_share = [](Walk& walk, const Node& node, auto& out) {
  if (const auto value = walk.share(node, Min / 1000.0, Max / 1000.0)) out.*Member = *value;
};

template <auto Member>
inline constexpr auto read_boolean = [](Walk& walk, const Node& node, auto& out) {
  if (const auto value = walk.boolean(node)) out.*Member = *value;
};

template <auto Member>
inline constexpr auto read_label = [](Walk& walk, const Node& node, auto& out) {
  if (auto value = walk.label(node)) out.*Member = std::move(*value);
};

template <auto Member, size_t BytesMax>
inline constexpr auto read_path = [](Walk& walk, const Node& node, auto& out) {
  if (auto value = walk.path(node, BytesMax)) out.*Member = std::move(*value);
};

template <auto Member, const auto& Table>
inline constexpr auto read_section =
    [](Walk& walk, const Node& node, auto& out) { read_mapping(walk, node, Table, out.*Member); };

// Reads what a draft holds beside its own members, by the reader of a struct that it derives from.
template <auto Read>
inline constexpr auto of_base =
    [](Walk& walk, const Node& node, auto& out) { Read(walk, node, out); };

template <const auto& Table>
inline constexpr auto list_section =
    [](const std::string& prefix, std::vector<std::string>& names) {
      list_keys(Table, prefix, names);
    };

}  // namespace sluice::config
