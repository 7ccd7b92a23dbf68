#include "report/compare.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include <sluice/config/yaml_tree.h>

namespace sluice::load {
namespace {

using config::Node;
using config::NodeKind;

std::optional<double> number_of(const Node& node) {
  if (node.kind != NodeKind::kScalar || !node.is_plain) return std::nullopt;
  double value = 0;
  const auto [end, error] =
      std::from_chars(node.text.data(), node.text.data() + node.text.size(), value);
  if (error != std::errc() || end != node.text.data() + node.text.size()) return std::nullopt;
  return value;
}

void collect(const Node& mapping, const std::string& prefix, ReportFigures& out) {
  for (size_t i = 0; i + 1 < mapping.children.size(); i += 2) {
    const std::string name = prefix + mapping.children[i].text;
    const Node& value = mapping.children[i + 1];
    if (const auto number = number_of(value)) out.values.emplace_back(name, *number);
    if (value.kind == NodeKind::kMapping) collect(value, name + ".", out);
    if (name == "name") out.name = value.text;
  }
}

}  // namespace

std::expected<ReportFigures, std::string> read_report(std::string_view json,
                                                      const std::string& file) {
  // JSON as our writer writes it is YAML, too.
  std::vector<config::Diagnostic> errors;
  const auto root = config::read_yaml(json, file, errors);
  if (!errors.empty()) return std::unexpected(config::to_string(errors.front()));
  ReportFigures figures;
  if (root && root->kind == NodeKind::kMapping) collect(*root, {}, figures);
  const bool is_report = std::ranges::any_of(
      figures.values, [](const auto& value) { return value.first == "completed"; });
  if (!is_report) {
    return std::unexpected(file + ":1: not a report of sluice-load; write one with --json");
  }
  std::erase_if(figures.values, [](const auto& value) { return value.first == "version"; });
  return figures;
}

std::string render_comparison(const ReportFigures& first, const ReportFigures& second) {
  std::string out = fmt::format("A: {}\nB: {}\n{:<24}{:>16}{:>16}{:>9}\n", first.name, second.name,
                                "", "A", "B", "B / A");
  for (const auto& [name, a] : first.values) {
    const auto other =
        std::ranges::find(second.values, name, [](const auto& v) { return v.first; });
    if (other == second.values.end()) continue;
    const double b = other->second;
    if (a == 0 && b == 0) continue;
    const std::string ratio = a == 0 ? "-" : fmt::format("{:.3f}", b / a);
    out += fmt::format("{:<24}{:>16.10g}{:>16.10g}{:>9}\n", name, a, b, ratio);
  }
  for (const auto& [name, b] : second.values) {
    const bool is_in_first = std::ranges::any_of(
        first.values, [&wanted = name](const auto& value) { return value.first == wanted; });
    if (!is_in_first) out += fmt::format("{:<24}{:>16}{:>16.10g}{:>9}\n", name, "-", b, "-");
  }
  return out;
}

}  // namespace sluice::load
