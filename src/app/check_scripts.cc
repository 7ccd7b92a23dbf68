#include "check_scripts.h"

#include <vector>

#include <sluice/base/clock.h>
#include <sluice/script/hook.h>

namespace sluice::app {
namespace {

using script::HookKind;
using script::Hooks;

// Each on its own, so that all problems are told at once; then together, as a shard will have them.
std::string problems_of(const std::vector<Hooks::Script>& scripts,
                        const config::ScriptSettings& settings) {
  std::string problems;
  for (const Hooks::Script& one : scripts) {
    if (const auto checked = script::check_script(one.source, one.name); !checked) {
      problems += checked.error() + "; mend the script\n";
    }
  }
  if (!problems.empty()) return problems;
  SystemClock clock;
  const auto made = Hooks::make(scripts,
                                {.instructions_max = settings.instructions_max,
                                 .time_max = settings.time_max,
                                 .memory_max = settings.memory_max},
                                clock);
  return made ? std::string() : made.error() + "; raise scripts.memory_max\n";
}

}  // namespace

std::string describe_script_problems(const config::Snapshot& snapshot) {
  const config::ScriptSettings& settings = snapshot.scripts;
  std::vector<Hooks::Script> hooks;
  const auto add = [&hooks](HookKind kind, const std::optional<config::HookSettings>& hook) {
    if (hook) hooks.push_back({kind, hook->script, hook->source});
  };
  add(HookKind::kOnAuth, settings.on_auth);
  add(HookKind::kOnRequest, settings.on_request);
  add(HookKind::kOnResponse, settings.on_response);
  std::string problems = problems_of(hooks, settings);
  for (const config::SourceSettings& source : snapshot.auth.sources) {
    if (source.kind != config::SourceKind::kLua) continue;
    problems += problems_of({{HookKind::kOnAuth, source.script, source.source}}, settings);
  }
  return problems;
}

}  // namespace sluice::app
