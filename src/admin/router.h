// From a request to its row of the table.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "route.h"

namespace sluice::admin {

// All rows, in the order in which documents list them; those of one path stand together.
[[nodiscard]] std::span<const Route> routes();

struct Match {
  const Route* route = nullptr;  // Null when no row has this path with this method.
  std::vector<std::string> places;
  std::string_view allow;  // The methods that the path has, "" when there is no such path.
};
// `path` as it was sent. A literal segment goes before one that stands for any.
[[nodiscard]] Match find_route(std::string_view path, http::Method method);

// What stands for each {name} of `pattern`, decoded; empty when `path` is of another form.
[[nodiscard]] std::optional<std::vector<std::string>> match_path(std::string_view pattern,
                                                                 std::string_view path);

// `text` with its %XX undone, and '+' for a space when it comes from a query; empty when it is
// malformed or holds a control character.
[[nodiscard]] std::optional<std::string> decode_percent(std::string_view text, bool is_query);

}  // namespace sluice::admin
