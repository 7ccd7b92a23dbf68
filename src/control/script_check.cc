#include "script_check.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <sluice/base/clock.h>
#include <sluice/script/hook.h>

namespace sluice::control {
namespace {

using script::HookKind;
using script::Hooks;

// "file:2: cause" or "file: cause", as `script` has it.
config::Diagnostic diagnostic_of(std::string_view file, std::string_view error,
                                 std::string remedy) {
  config::Diagnostic diagnostic{.file = std::string(file), .remedy = std::move(remedy)};
  if (error.starts_with(file)) error.remove_prefix(file.size());
  if (error.starts_with(':')) error.remove_prefix(1);
  const auto parsed = std::from_chars(error.data(), error.data() + error.size(), diagnostic.line);
  if (parsed.ec == std::errc()) {
    error.remove_prefix(static_cast<size_t>(parsed.ptr - error.data()));
    if (error.starts_with(':')) error.remove_prefix(1);
  }
  error.remove_prefix(std::min(error.find_first_not_of(' '), error.size()));
  diagnostic.cause = error;
  return diagnostic;
}

// Each on its own, so that all problems are told at once; then together, as a shard will have them.
void check(const std::vector<Hooks::Script>& scripts, const config::ScriptSettings& settings,
           std::vector<config::Diagnostic>& problems) {
  const size_t before = problems.size();
  for (const Hooks::Script& one : scripts) {
    if (const auto checked = script::check_script(one.source, one.name); !checked) {
      problems.push_back(diagnostic_of(one.name, checked.error(), "mend the script"));
    }
  }
  if (problems.size() > before || scripts.empty()) return;
  SystemClock clock;
  const auto made = Hooks::make(scripts,
                                {.instructions_max = settings.instructions_max,
                                 .time_max = settings.time_max,
                                 .memory_max = settings.memory_max},
                                clock);
  if (made) return;
  problems.push_back(diagnostic_of(scripts.back().name, made.error(), "raise scripts.memory_max"));
}

}  // namespace

std::vector<config::Diagnostic> check_scripts(const config::Snapshot& snapshot) {
  const config::ScriptSettings& settings = snapshot.scripts;
  std::vector<Hooks::Script> hooks;
  const auto add = [&hooks](HookKind kind, const std::optional<config::HookSettings>& hook) {
    if (hook) hooks.push_back({kind, hook->script, hook->source});
  };
  add(HookKind::kOnAuth, settings.on_auth);
  add(HookKind::kOnRequest, settings.on_request);
  add(HookKind::kOnResponse, settings.on_response);
  std::vector<config::Diagnostic> problems;
  check(hooks, settings, problems);
  for (const config::SourceSettings& source : snapshot.auth.sources) {
    if (source.kind != config::SourceKind::kLua) continue;
    check({{HookKind::kOnAuth, source.script, source.source}}, settings, problems);
  }
  return problems;
}

}  // namespace sluice::control
