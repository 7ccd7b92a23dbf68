#include "check_scripts.h"

#include <sluice/script/hook.h>

namespace sluice::app {
namespace {

std::string problem_of(std::string_view source, const std::string& name) {
  const auto checked = script::check_script(source, name);
  return checked ? std::string() : checked.error() + "; mend the script\n";
}

}  // namespace

std::string describe_script_problems(const config::Snapshot& snapshot) {
  std::string problems;
  const config::ScriptSettings& scripts = snapshot.scripts;
  for (const auto* const hook : {&scripts.on_auth, &scripts.on_request, &scripts.on_response}) {
    if (hook->has_value()) problems += problem_of((*hook)->source, (*hook)->script);
  }
  for (const config::SourceSettings& source : snapshot.auth.sources) {
    if (source.kind == config::SourceKind::kLua)
      problems += problem_of(source.source, source.script);
  }
  return problems;
}

}  // namespace sluice::app
