// One Lua state within bounds: memory by its allocator, instructions and time by a count hook.
//
// A limit that is reached cannot be caught: from then on every instruction throws, so that a
// pcall() gives control back to nothing that can run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <lua.hpp>

#include <sluice/base/clock.h>
#include <sluice/json/value.h>
#include <sluice/script/hook.h>

#include "pattern.h"

namespace sluice::script {

// One block, and so one string or one table's array: Lua's own functions walk them in one go.
inline constexpr size_t kBlockBytesMax = 1 << 20;
inline constexpr size_t kStringBytesMax = kBlockBytesMax / 2;  // Of what a library call makes.

// What a caught error counts as, in instructions: some microseconds of unwinding.
inline constexpr uint64_t kThrowCost = 500;

// Calls from a library function back into Lua, within each other. LuaJIT bounds its own stack and
// not the C stack that these take, up to 10 KB each.
inline constexpr uint32_t kNestingMax = 64;

enum class Stop : uint8_t { kNone, kInstructions, kTime, kMemory };

// What one call of a hook sees and gives.
struct Call {
  const RequestView* request = nullptr;
  const ResponseView* response = nullptr;
  HookOutcome* outcome = nullptr;
  HookKind kind = HookKind::kOnRequest;
  int chunk = LUA_NOREF;
  bool has_data = false;  // The tables of JSON are made when they are first asked for.
  bool has_metadata = false;
};

// References into Lua's registry.
struct References {
  int base = LUA_NOREF;  // What every script sees; read-only.
  int environment_metatable = LUA_NOREF;
  int headers = LUA_NOREF;  // Stands for request.headers.
  int data = LUA_NOREF;
  int metadata = LUA_NOREF;
};

class State {
 public:
  State(const HookLimits& limits, Clock& clock, PatternCache& patterns);
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  [[nodiscard]] static State& of(lua_State* lua) noexcept;

  [[nodiscard]] lua_State* lua() noexcept { return lua_; }  // Null: the memory did not suffice.
  [[nodiscard]] Stop stop() const noexcept { return stop_; }
  [[nodiscard]] int stop_line() const noexcept { return stop_line_; }  // 0 when not known.
  [[nodiscard]] size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] PatternCache& patterns() noexcept { return patterns_; }
  [[nodiscard]] const HookLimits& limits() const noexcept { return limits_; }

  void begin_call();
  void end_call();

  // For library functions whose work grows with what they are given. Throws Lua's error when a
  // limit is reached; nothing that has a destructor may stand in the caller's frame.
  void charge(lua_State* lua, uint64_t instructions);

  // lua_call() and lua_pcall() within kNestingMax; what throws Lua's errors otherwise.
  void call_back(lua_State* lua, int arguments, int results);
  [[nodiscard]] int call_back_protected(lua_State* lua, int arguments, int results);

  Call call;
  References references;
  // Of the JSON that is being made a table: here, since a thrown error skips destructors.
  std::optional<json::Value> parsed;

 private:
  static void* allocate(void* self, void* block, size_t old_size, size_t new_size);
  static void on_count(lua_State* lua, lua_Debug* where);

  void arm(uint32_t period) noexcept;
  void note_stop(Stop reason) noexcept;
  bool may_grow(size_t old_size, size_t new_size) noexcept;
  void nest(lua_State* lua);
  void check(lua_State* lua, lua_Debug* where);
  void collect_when_full(lua_State* lua);

  HookLimits limits_;
  Clock& clock_;
  PatternCache& patterns_;
  lua_State* lua_ = nullptr;
  size_t bytes_ = 0;
  size_t collect_above_ = 0;
  uint64_t instructions_ = 0;
  MonoTime deadline_;
  uint32_t period_ = 0;  // 0 outside of a call.
  uint32_t nesting_ = 0;
  Stop stop_ = Stop::kNone;
  int stop_line_ = 0;
};

}  // namespace sluice::script
