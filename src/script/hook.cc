#include <sluice/script/hook.h>

#include <array>

#include <fmt/format.h>

#include "plain_text.h"
#include "result.h"
#include "sandbox.h"
#include "state.h"

namespace sluice::script {
namespace {

constexpr size_t kKinds = 3;

size_t index_of(HookKind kind) { return static_cast<size_t>(kind); }

// The text of what was thrown, which stands on top.
std::string thrown_text(lua_State* lua) {
  if (lua_type(lua, -1) != LUA_TSTRING) {
    return fmt::format("threw a {}", lua_typename(lua, lua_type(lua, -1)));
  }
  size_t size = 0;
  const char* const text = lua_tolstring(lua, -1, &size);
  return plain_text({text, size}, kMessageBytesMax);
}

std::expected<void, std::string> check_text(std::string_view source, std::string_view name) {
  if (source.size() > kScriptBytesMax) {
    return std::unexpected(fmt::format("{}: the script has {} bytes; at most {} are allowed", name,
                                       source.size(), kScriptBytesMax));
  }
  if (source.starts_with(LUA_SIGNATURE[0])) {
    return std::unexpected(fmt::format("{}: this is compiled Lua; give the source text", name));
  }
  return {};
}

// What errors call a script: Lua cuts names at 60 bytes, and a file's end says more than its path.
std::string short_name(std::string_view name) {
  constexpr size_t kBytesMax = 48;
  name.remove_prefix(name.rfind('/') + 1);
  if (name.size() > kBytesMax) name.remove_prefix(name.size() - kBytesMax);
  return std::string(name);
}

struct Compilation {
  std::string_view source;
  const char* name;  // With the '=' that has Lua take it as it is.
  int reference = LUA_NOREF;
};

int compile(lua_State* lua) {
  auto& wanted = *static_cast<Compilation*>(lua_touserdata(lua, 1));
  if (luaL_loadbufferx(lua, wanted.source.data(), wanted.source.size(), wanted.name, "t") != 0) {
    return lua_error(lua);
  }
  wanted.reference = luaL_ref(lua, LUA_REGISTRYINDEX);
  return 0;
}

// A reference to the compiled function.
std::expected<int, std::string> compile_in(State& state, std::string_view source,
                                           std::string_view name) {
  if (auto checked = check_text(source, name); !checked) return std::unexpected(checked.error());
  const std::string chunk_name = "=" + short_name(name);
  Compilation wanted{.source = source, .name = chunk_name.c_str()};
  if (lua_cpcall(state.lua(), compile, &wanted) == 0) return wanted.reference;
  std::string error = thrown_text(state.lua());
  lua_settop(state.lua(), 0);
  if (state.stop() == Stop::kMemory) {
    return std::unexpected(fmt::format("{}: the script does not fit into {} bytes of memory", name,
                                       state.limits().memory_max));
  }
  const std::string_view prefix = std::string_view(chunk_name).substr(1);
  if (error.starts_with(prefix)) error.replace(0, prefix.size(), name);
  return std::unexpected(std::move(error));
}

int build_sandbox_protected(lua_State* lua) {
  build_sandbox(lua);
  return 0;
}

int run_chunk(lua_State* lua) {
  const Call& call = State::of(lua).call;
  lua_settop(lua, 0);
  lua_rawgeti(lua, LUA_REGISTRYINDEX, call.chunk);
  push_environment(lua);
  lua_setfenv(lua, 1);
  lua_call(lua, 0, LUA_MULTRET);
  read_result(lua, lua_gettop(lua), call.kind, *call.outcome);
  return 0;
}

std::string stop_text(const State& state, Stop stop) {
  const HookLimits& limits = state.limits();
  switch (stop) {
    case Stop::kInstructions:
      return fmt::format("stopped after {} instructions", limits.instructions_max);
    case Stop::kTime: return fmt::format("stopped after {} us", limits.time_max.count() / 1000);
    default: return fmt::format("wanted more than its {} bytes of memory", limits.memory_max);
  }
}

}  // namespace

struct Hooks::Parts {
  Parts(std::span<const Script> from, const HookLimits& limits_, Clock& clock_)
      : scripts(from.begin(), from.end()), limits(limits_), clock(clock_) {}

  // A new state with every script compiled, in the place of what there was.
  std::expected<void, std::string> rebuild() {
    state.reset();
    chunks.fill(LUA_NOREF);
    auto made = std::make_unique<State>(limits, clock, patterns);
    if (made->lua() == nullptr || lua_cpcall(made->lua(), build_sandbox_protected, nullptr) != 0) {
      return std::unexpected(
          fmt::format("{} bytes of memory are too few for scripts", limits.memory_max));
    }
    for (const Script& script : scripts) {
      const auto chunk = compile_in(*made, script.source, script.name);
      if (!chunk) return std::unexpected(chunk.error());
      chunks[index_of(script.kind)] = *chunk;
    }
    state = std::move(made);
    return {};
  }

  std::string name_of(HookKind kind) const {
    size_t at = 0;
    while (scripts[at].kind != kind) ++at;
    return short_name(scripts[at].name);
  }

  std::vector<Script> scripts;  // At most one of each kind.
  HookLimits limits;
  Clock& clock;
  PatternCache patterns;
  std::unique_ptr<State> state;  // Null when it could not be made anew.
  std::array<int, kKinds> chunks{};
};

std::expected<void, std::string> check_script(std::string_view source, std::string_view name) {
  SystemClock clock;
  PatternCache patterns;
  State state(HookLimits{}, clock, patterns);
  if (state.lua() == nullptr) return std::unexpected("there is no memory to compile a script");
  const auto compiled = compile_in(state, source, name);
  if (!compiled) return std::unexpected(compiled.error());
  return {};
}

std::expected<std::unique_ptr<Hooks>, std::string> Hooks::make(std::span<const Script> scripts,
                                                               const HookLimits& limits,
                                                               Clock& clock) {
  std::array<bool, kKinds> has_kind{};
  for (const Script& script : scripts) {
    if (std::exchange(has_kind[index_of(script.kind)], true)) {
      return std::unexpected(
          fmt::format("{}: there is a script for this hook already", script.name));
    }
  }
  auto parts = std::make_unique<Parts>(scripts, limits, clock);
  if (auto built = parts->rebuild(); !built) return std::unexpected(built.error());
  return std::unique_ptr<Hooks>(new Hooks(std::move(parts)));
}

Hooks::Hooks(std::unique_ptr<Parts> parts) noexcept : parts_(std::move(parts)) {}
Hooks::~Hooks() = default;

bool Hooks::has(HookKind kind) const noexcept {
  for (const Script& script : parts_->scripts) {
    if (script.kind == kind) return true;
  }
  return false;
}

HookOutcome Hooks::run(HookKind kind, const RequestView& request, const ResponseView* response) {
  HookOutcome outcome;
  if (!has(kind)) return outcome;
  Parts& parts = *parts_;
  if (parts.state == nullptr && !parts.rebuild()) {
    outcome.verdict = HookOutcome::Verdict::kTooLarge;
    outcome.message = fmt::format("{}: there is no memory for scripts", parts.name_of(kind));
    return outcome;
  }
  State& state = *parts.state;
  state.call = {.request = &request,
                .response = response,
                .outcome = &outcome,
                .kind = kind,
                .chunk = parts.chunks[index_of(kind)]};
  state.begin_call();
  const int status = lua_cpcall(state.lua(), run_chunk, nullptr);
  const Stop stop =
      status == LUA_ERRMEM && state.stop() == Stop::kNone ? Stop::kMemory : state.stop();
  if (stop == Stop::kNone && status != 0) {
    outcome = {.verdict = HookOutcome::Verdict::kError,
               .message = thrown_text(state.lua()),
               .log_lines = std::move(outcome.log_lines)};
  } else if (outcome.verdict == HookOutcome::Verdict::kError) {
    outcome.message =
        plain_text(fmt::format("{}: {}", parts.name_of(kind), outcome.message), kMessageBytesMax);
  }
  lua_settop(state.lua(), 0);
  state.end_call();
  if (stop == Stop::kNone) return outcome;
  outcome = {.verdict = stop == Stop::kMemory ? HookOutcome::Verdict::kTooLarge
                                              : HookOutcome::Verdict::kTooLong,
             .message = fmt::format("{}:{}: {}", parts.name_of(kind), state.stop_line(),
                                    stop_text(state, stop)),
             .log_lines = std::move(outcome.log_lines)};
  // What a stopped script left behind is not looked through but thrown away.
  if (!parts.rebuild()) parts.state.reset();
  return outcome;
}

}  // namespace sluice::script
