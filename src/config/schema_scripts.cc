#include "schema_scripts.h"
#include "bounds.h"

#include <array>
#include <utility>

#include "fields.h"
#include "named_file.h"

namespace sluice::config {
namespace {

constexpr size_t kScriptBytesMax = 256 * 1024;

void read_hook_file(Walk& walk, const Node& node, HookSettings& hook) {
  auto named = read_named_file(walk, node, kScriptBytesMax);
  if (!named) return;
  hook.script = std::move(named->path);
  hook.source = std::move(named->file.text);
}

void read_hook_failure(Walk& walk, const Node& node, HookSettings& hook) {
  static constexpr std::array<std::string_view, 2> kWords = {"refuse", "pass"};
  if (const auto index = walk.choice(node, kWords)) {
    hook.on_error = static_cast<HookFailure>(*index);
  }
}

constexpr std::array kHookFields = {
    Field<HookSettings>{"file", read_hook_file, Presence::kRequired},
    Field<HookSettings>{"on_error", read_hook_failure}};

// When it runs, the answer has been sent: there is nothing left to refuse.
constexpr std::array kResponseHookFields = {
    Field<HookSettings>{"file", read_hook_file, Presence::kRequired}};

template <auto Member, const auto& kFields>
constexpr auto read_hook = [](Walk& walk, const Node& node, ScriptSettings& scripts) {
  read_mapping(walk, node, kFields, (scripts.*Member).emplace());
};

constexpr std::array kScriptFields = {
    Field<ScriptSettings>{"on_auth", read_hook<&ScriptSettings::on_auth, kHookFields>,
                          Presence::kOptional, list_section<kHookFields>},
    Field<ScriptSettings>{"on_request", read_hook<&ScriptSettings::on_request, kHookFields>,
                          Presence::kOptional, list_section<kHookFields>},
    Field<ScriptSettings>{"on_response",
                          read_hook<&ScriptSettings::on_response, kResponseHookFields>,
                          Presence::kOptional, list_section<kResponseHookFields>},
    Field<ScriptSettings>{"instructions_max",
                          [](Walk& walk, const Node& node, ScriptSettings& scripts) {
                            if (const auto most = walk.count(node, 1000, 1'000'000'000)) {
                              scripts.instructions_max = *most;
                            }
                          }},
    Field<ScriptSettings>{"time_max", read_duration<&ScriptSettings::time_max, 1, kSecond>},
    Field<ScriptSettings>{"memory_max",
                          read_bytes<&ScriptSettings::memory_max, 256 * kKiB, 1024 * kMiB>},
    Field<ScriptSettings>{"may_route", read_boolean<&ScriptSettings::may_route>}};

}  // namespace

void read_scripts(Walk& walk, const Node& node, ScriptSettings& scripts) {
  read_mapping(walk, node, kScriptFields, scripts);
  const Node* may_route = find_key(node, "may_route");
  if (may_route == nullptr || !scripts.may_route || scripts.on_request) return;
  const Walk::Step step(walk, "may_route");
  walk.error(*may_route, "has no effect without `on_request`", "remove it, or add the script");
}

void list_script_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kScriptFields, prefix, names);
}

}  // namespace sluice::config
