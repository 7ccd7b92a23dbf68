#include "check_scripts.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include <sluice/script/hook.h>

namespace sluice::app {
namespace {

std::string problem_of(std::string_view source, const std::string& name) {
  const auto checked = script::check_script(source, name);
  return checked ? std::string() : checked.error() + "; mend the script\n";
}

std::string problem_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string source(script::kScriptBytesMax + 1, '\0');
  if (file.is_open()) file.read(source.data(), static_cast<std::streamsize>(source.size()));
  if (!file.is_open() || file.bad()) {
    return fmt::format(
        "{}: the script cannot be read: {}; create the file, or let this user read it\n", path,
        std::strerror(errno));
  }
  source.resize(static_cast<size_t>(file.gcount()));
  return problem_of(source, path);
}

}  // namespace

std::string describe_script_problems(const config::Snapshot& snapshot) {
  std::string problems;
  const config::ScriptSettings& scripts = snapshot.scripts;
  for (const auto* const hook : {&scripts.on_auth, &scripts.on_request, &scripts.on_response}) {
    if (hook->has_value()) problems += problem_of((*hook)->source, (*hook)->script);
  }
  for (const config::SourceSettings& source : snapshot.auth.sources) {
    if (source.kind == config::SourceKind::kLua) problems += problem_of_file(source.script);
  }
  return problems;
}

}  // namespace sluice::app
