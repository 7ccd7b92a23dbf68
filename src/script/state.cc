#include "state.h"

#include <cstdlib>

#include <luajit.h>

#include <sluice/base/assert.h>

namespace sluice::script {
namespace {

constexpr uint32_t kPeriod = 100;  // Instructions between two looks at the clock.
// Once there are large blocks, single instructions may take as long as thousands of small ones.
constexpr uint32_t kPeriodWithLargeBlocks = 8;
constexpr size_t kLargeBlock = 64 << 10;

int panic(lua_State*) {
  constexpr bool kIsCallProtected = false;
  SLUICE_ASSERT(kIsCallProtected);
  return 0;
}

}  // namespace

State::State(const HookLimits& limits, Clock& clock, PatternCache& patterns)
    : limits_(limits), clock_(clock), patterns_(patterns) {
  lua_ = lua_newstate(&State::allocate, this);
  if (lua_ == nullptr) return;
  lua_atpanic(lua_, panic);
  // Compiled traces never look at hooks. The library that would switch it on is not opened either.
  luaJIT_setmode(lua_, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
}

State::~State() {
  if (lua_ != nullptr) lua_close(lua_);
}

State& State::of(lua_State* lua) noexcept {
  void* self = nullptr;
  lua_getallocf(lua, &self);
  return *static_cast<State*>(self);
}

void State::begin_call() {
  patterns_.begin_call();
  instructions_ = 0;
  nesting_ = 0;
  stop_ = Stop::kNone;
  stop_line_ = 0;
  collect_above_ = limits_.memory_max / 2;
  deadline_ = clock_.now() + limits_.time_max;
  arm(limits_.instructions_max < kPeriod ? 1 : kPeriod);
}

void State::end_call() {
  lua_sethook(lua_, nullptr, 0, 0);
  period_ = 0;
  parsed.reset();
  if (stop_ == Stop::kNone && bytes_ > collect_above_) lua_gc(lua_, LUA_GCCOLLECT, 0);
}

void State::charge(lua_State* lua, uint64_t instructions) {
  instructions_ += instructions;
  if (period_ != 0) check(lua, nullptr);
}

void State::nest(lua_State* lua) {
  if (nesting_ >= kNestingMax) luaL_error(lua, "too many calls within each other");
  ++nesting_;
}

// An error leaves nesting_ as it is; whoever catches it puts it back.
void State::call_back(lua_State* lua, int arguments, int results) {
  nest(lua);
  lua_call(lua, arguments, results);
  --nesting_;
}

int State::call_back_protected(lua_State* lua, int arguments, int results) {
  const uint32_t nesting = nesting_;
  nest(lua);
  const int status = lua_pcall(lua, arguments, results, 0);
  nesting_ = nesting;
  return status;
}

void* State::allocate(void* self, void* block, size_t old_size, size_t new_size) {
  auto& state = *static_cast<State*>(self);
  if (new_size == 0) {
    std::free(block);
    state.bytes_ -= old_size;
    return nullptr;
  }
  if (new_size > old_size && !state.may_grow(old_size, new_size)) return nullptr;
  void* const grown = std::realloc(block, new_size);
  if (grown == nullptr) return new_size <= old_size ? block : nullptr;
  state.bytes_ += new_size - old_size;
  return grown;
}

bool State::may_grow(size_t old_size, size_t new_size) noexcept {
  // LuaJIT crashes when an allocation fails within lua_newstate(), which takes a fixed 10 KB.
  if (lua_ == nullptr) return true;
  if (new_size > kBlockBytesMax || bytes_ + (new_size - old_size) > limits_.memory_max) {
    note_stop(Stop::kMemory);
    return false;
  }
  if (new_size < kLargeBlock || period_ == 0) return true;
  if (clock_.now() >= deadline_) {
    note_stop(Stop::kTime);
    return false;
  }
  if (period_ > kPeriodWithLargeBlocks) {
    instructions_ += period_;
    arm(kPeriodWithLargeBlocks);
  }
  return true;
}

void State::note_stop(Stop reason) noexcept {
  if (stop_ == Stop::kNone) stop_ = reason;
  if (period_ != 0) arm(1);
}

void State::arm(uint32_t period) noexcept {
  period_ = period;
  lua_sethook(lua_, &State::on_count, LUA_MASKCOUNT, static_cast<int>(period));
}

void State::on_count(lua_State* lua, lua_Debug* where) {
  State& state = of(lua);
  state.instructions_ += state.period_;
  state.check(lua, where);
  state.collect_when_full(lua);
}

void State::check(lua_State* lua, lua_Debug* where) {
  if (stop_ == Stop::kNone) {
    if (instructions_ > limits_.instructions_max) {
      note_stop(Stop::kInstructions);
    } else if (clock_.now() >= deadline_) {
      note_stop(Stop::kTime);
    } else {
      return;
    }
  }
  lua_Debug caller;
  if (where == nullptr && lua_getstack(lua, 1, &caller) != 0) where = &caller;
  if (where != nullptr && stop_line_ == 0 && lua_getinfo(lua, "l", where) != 0) {
    stop_line_ = where->currentline;
  }
  lua_pushnil(lua);  // Takes no memory, unlike a message.
  lua_error(lua);
}

// LuaJIT does not collect when an allocation fails, and lets garbage grow to the size of what
// lives: half of the memory would be all that a script can use.
void State::collect_when_full(lua_State* lua) {
  if (bytes_ <= collect_above_) return;
  instructions_ += bytes_ / 64;
  lua_gc(lua, LUA_GCCOLLECT, 0);
  collect_above_ = bytes_ + (limits_.memory_max - bytes_) / 2;
}

}  // namespace sluice::script
