#include "named_file.h"
#include "bounds.h"

#include <utility>

#include <fmt/format.h>

namespace sluice::config {
namespace {

std::string beside(const std::string& file, std::string path) {
  const size_t slash = file.rfind('/');
  if (path.starts_with('/') || slash == std::string::npos) return path;
  return file.substr(0, slash + 1) + path;
}

}  // namespace

std::optional<NamedFile> read_named_file(Walk& walk, const Node& node, size_t bytes_max) {
  auto path = walk.path(node, kPathBytesMax);
  if (!path) return std::nullopt;
  NamedFile named;
  named.path = beside(walk.file(), std::move(*path));
  // What a variable put into the path may be a secret, and is not repeated.
  const bool is_as_written = node.text.find("${") == std::string::npos;
  named.shown = is_as_written ? named.path : "<path with a variable>";
  auto file = walk.environment().read(named.path, bytes_max);
  if (!file) {
    walk.error(
        node, fmt::format("names the file {}, which cannot be read: {}", named.shown, file.error()),
        "create the file, let this user read it, or remove the key");
    return std::nullopt;
  }
  named.file = std::move(*file);
  return named;
}

}  // namespace sluice::config
