// YAML text in, a validated Snapshot or all that is wrong with it out.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/config/diagnostic.h>
#include <sluice/config/environment.h>
#include <sluice/config/members.h>
#include <sluice/config/snapshot.h>
#include <sluice/config/yaml_tree.h>

namespace sluice::config {

inline constexpr size_t kFileBytesMax = 64u << 20;

struct LoadOutcome {
  // Null exactly when `errors` is not empty. Its publisher numbers it, then nobody changes it.
  std::unique_ptr<Snapshot> snapshot;
  std::vector<Diagnostic> errors;    // In the order of the file.
  std::vector<Diagnostic> warnings;  // To be logged; they do not prevent the start.
  std::string text;                  // Of the file, when it could be read; load_file() only.
  std::vector<TextPlace> secrets;  // Where secrets stand in it, in order; differences() hides them.
  std::optional<Node> tree;        // Of the text, for differences(); large, so drop it soon.
};

// Reads `path` through `environment` and loads it; `path` is also the name in diagnostics. Groups
// of `members` that the file does not have are passed over.
[[nodiscard]] LoadOutcome load_file(const std::string& path, const Environment& environment,
                                    const Members& members = {});

// Loads `text` as if it were the content of `path`. Pure but for what `environment` does.
[[nodiscard]] LoadOutcome load_text(std::string_view text, const std::string& path,
                                    const Environment& environment, const Members& members = {});

}  // namespace sluice::config
