#include "plan/scenario.h"

#include <vector>

#include <fmt/format.h>

#include <sluice/config/yaml_tree.h>

namespace sluice::load {
namespace {

using config::Node;
using config::NodeKind;

std::string option_names() {
  std::string names;
  for (const Option& option : all_options()) {
    names += names.empty() ? "" : ", ";
    names += option.name;
  }
  return names;
}

// The texts of an option's value: of a mapping "name=value", with a list of values as words.
// Empty when the value has no such form.
std::vector<std::string> values_of(const Node& node) {
  std::vector<std::string> values;
  if (node.kind == NodeKind::kScalar) {
    values.push_back(node.text);
  } else if (node.kind == NodeKind::kSequence) {
    for (const Node& item : node.children) {
      if (item.kind != NodeKind::kScalar) return {};
      values.push_back(item.text);
    }
  } else if (node.kind == NodeKind::kMapping) {
    for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
      const Node& value = node.children[i + 1];
      if (value.kind != NodeKind::kScalar) return {};
      values.push_back(node.children[i].text + "=" + value.text);
    }
  }
  return values;
}

std::string read_option(const Node& name, const Node& value, Draft& draft) {
  const Option* option = find_option(name.text);
  if (option == nullptr) {
    return fmt::format("unknown key `{:.40}`; the keys are: {}", name.text, option_names());
  }
  if (value.kind == NodeKind::kBroken) return {};  // Reported by the YAML reader.
  const std::vector<std::string> values = values_of(value);
  if (values.empty()) {
    return fmt::format("{}: has no value that can be read; write {}", name.text, option->help);
  }
  if (option->kind != OptionKind::kList && value.kind != NodeKind::kScalar) {
    return fmt::format("{}: must be one value; write {}", name.text, option->help);
  }
  const std::string why = option->read(values, draft);
  return why.empty() ? why : fmt::format("{}: {}; write {}", name.text, why, option->help);
}

}  // namespace

std::string Scenario::locate(const std::string& fault) const {
  const auto place = lines.find(fault.substr(0, fault.find(':')));
  if (place == lines.end()) return fault;
  return fmt::format("{}:{}: {}", file, place->second, fault);
}

std::string read_scenario(std::string_view text, const std::string& file, Draft& draft,
                          Scenario& scenario) {
  scenario.file = file;
  std::vector<config::Diagnostic> errors;
  const auto root = config::read_yaml(text, file, errors);
  std::string out;
  for (const config::Diagnostic& error : errors) out += config::to_string(error) + "\n";
  if (!root) return out;
  if (root->kind != NodeKind::kMapping) {
    return out + fmt::format("{}:{}: a scenario is a mapping; write lines such as `rate: 500`\n",
                             file, root->line);
  }
  for (size_t i = 0; i + 1 < root->children.size(); i += 2) {
    const Node& name = root->children[i];
    scenario.lines.emplace(name.text, name.line);
    const std::string why = read_option(name, root->children[i + 1], draft);
    if (!why.empty()) out += fmt::format("{}:{}: {}\n", file, name.line, why);
  }
  return out;
}

}  // namespace sluice::load
