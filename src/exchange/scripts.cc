#include <sluice/exchange/scripts.h>

#include <algorithm>

namespace sluice::exchange {
namespace {

using script::HookKind;

std::unique_ptr<script::Hooks> make_hooks(const std::vector<script::Hooks::Script>& scripts,
                                          const config::ScriptSettings& settings, Clock& clock) {
  if (scripts.empty()) return nullptr;
  auto made = script::Hooks::make(scripts,
                                  {.instructions_max = settings.instructions_max,
                                   .time_max = settings.time_max,
                                   .memory_max = settings.memory_max},
                                  clock);
  SLUICE_ASSERT(made.has_value());
  return std::move(*made);
}

}  // namespace

std::unique_ptr<Scripts> Scripts::make(const config::Snapshot& config, Clock& clock) {
  std::vector<script::Hooks::Script> hooks;
  const auto add = [&hooks](HookKind kind, const std::optional<config::HookSettings>& hook) {
    if (hook) hooks.push_back({kind, hook->script, hook->source});
  };
  add(HookKind::kOnAuth, config.scripts.on_auth);
  add(HookKind::kOnRequest, config.scripts.on_request);
  add(HookKind::kOnResponse, config.scripts.on_response);
  auto scripts = std::make_unique<Scripts>();
  scripts->hooks_ = make_hooks(hooks, config.scripts, clock);
  for (uint32_t i = 0; i < config.auth.sources.size(); ++i) {
    const config::SourceSettings& source = config.auth.sources[i];
    if (source.kind != config::SourceKind::kLua) continue;
    const std::vector<script::Hooks::Script> one = {
        {HookKind::kOnAuth, source.script, source.source}};
    scripts->sources_.push_back({i, make_hooks(one, config.scripts, clock)});
  }
  if (scripts->hooks_ == nullptr && scripts->sources_.empty()) return nullptr;
  return scripts;
}

script::HookOutcome Scripts::run(HookKind kind, const uint32_t* source,
                                 const script::RequestView& request,
                                 const script::ResponseView* response) {
  if (source == nullptr) return hooks_->run(kind, request, response);
  const auto found = std::ranges::find(sources_, *source, &Source::index);
  SLUICE_ASSERT(found != sources_.end());
  return found->hooks->run(kind, request, response);
}

}  // namespace sluice::exchange
