#include <sluice/config/loader.h>

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include <sluice/base/units.h>
#include <sluice/config/yaml_tree.h>

#include "schema.h"
#include "validate.h"
#include "walk.h"

namespace sluice::config {
namespace {

// Those of one place keep the order in which they were found. (libstdc++ 12's stable_sort calls
// what C++23 deprecates.)
void sort_by_place(std::vector<Diagnostic>& diagnostics) {
  std::vector<size_t> order(diagnostics.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) {
    return std::tuple(diagnostics[i].line, diagnostics[i].column, i);
  });
  std::vector<Diagnostic> sorted;
  sorted.reserve(diagnostics.size());
  for (const size_t i : order) sorted.push_back(std::move(diagnostics[i]));
  diagnostics = std::move(sorted);
}

LoadOutcome failed(const std::string& path, std::string cause, std::string remedy) {
  LoadOutcome outcome;
  outcome.errors.push_back({path, 0, 0, std::move(cause), std::move(remedy)});
  return outcome;
}

LoadOutcome load(std::string_view text, const std::string& path, const Environment& environment,
                 const Members& members, bool others_may_read) {
  if (text.size() > kFileBytesMax) {
    return failed(path, fmt::format("the file is larger than {}", format_bytes(kFileBytesMax)),
                  "make it smaller");
  }
  LoadOutcome outcome;
  outcome.tree = read_yaml(text, path, outcome.errors);
  if (!outcome.tree) return outcome;
  const Node& root = *outcome.tree;
  auto snapshot = std::make_unique<Snapshot>();
  snapshot->source_path = path;
  Walk walk(path, environment, members, outcome);
  read_schema(walk, root, *snapshot);
  validate(walk, root, *snapshot);
  if (others_may_read && walk.plain_secret != nullptr) {
    walk.warn(*walk.plain_secret, "this file holds a secret, and every user may read it",
              fmt::format("run `chmod 600 {}`, or use env:// or file://", path));
  }
  outcome.secrets = std::move(walk.secrets);
  std::ranges::sort(outcome.secrets);
  sort_by_place(outcome.errors);
  sort_by_place(outcome.warnings);
  if (outcome.errors.empty()) outcome.snapshot = std::move(snapshot);
  return outcome;
}

}  // namespace

LoadOutcome load_file(const std::string& path, const Environment& environment,
                      const Members& members) {
  auto file = environment.read(path, kFileBytesMax);
  if (!file) {
    return failed(path, fmt::format("the file cannot be read: {}", file.error()),
                  "check the path and its permissions");
  }
  LoadOutcome outcome = load(file->text, path, environment, members, file->others_may_read);
  outcome.text = std::move(file->text);
  return outcome;
}

LoadOutcome load_text(std::string_view text, const std::string& path,
                      const Environment& environment, const Members& members) {
  return load(text, path, environment, members, false);
}

}  // namespace sluice::config
