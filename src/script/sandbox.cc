#include "sandbox.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "libraries.h"
#include "state.h"
#include "views.h"

namespace sluice::script {
namespace {

// rawset() does no harm: every table that a script can reach is of its own call. xpcall() would: it
// runs its function before the stack is unwound, and while the count hook throws there is no hook.
constexpr std::array kBaseNames = {
    "assert", "error",  "getmetatable", "ipairs",   "next",     "rawequal", "rawget",
    "rawset", "select", "setmetatable", "tonumber", "tostring", "type",     "unpack",
};
constexpr std::array kStringNames = {"byte", "char", "format", "len", "sub"};
constexpr std::array kTableNames = {"sort"};
constexpr std::array kMathNames = {
    "abs",   "acos", "asin",  "atan",   "atan2", "ceil", "cos",   "cosh", "deg",  "exp",
    "floor", "fmod", "frexp", "huge",   "ldexp", "log",  "log10", "max",  "min",  "modf",
    "pi",    "pow",  "rad",   "random", "sin",   "sinh", "sqrt",  "tan",  "tanh",
};

// Copies fields of the table at `from` into the one on top.
void copy_fields(lua_State* lua, int from, std::span<const char* const> names) {
  for (const char* const name : names) {
    lua_getfield(lua, from, name);
    lua_setfield(lua, -2, name);
  }
}

// Lua's own nests 10,000 deep, each level with an unwinding of its own at a limit.
int call_protected(lua_State* lua) {
  luaL_checkany(lua, 1);
  State& state = State::of(lua);
  const int status = state.call_back_protected(lua, lua_gettop(lua) - 1, LUA_MULTRET);
  state.charge(lua, status == 0 ? 0 : kThrowCost);
  lua_pushboolean(lua, status == 0 ? 1 : 0);
  lua_insert(lua, 1);
  return lua_gettop(lua);
}

int refuse_write(lua_State* lua) {
  return luaL_error(lua, "%s is read-only", lua_tostring(lua, lua_upvalueindex(1)));
}

// Replaces what stands on top, a table or an index function, by a userdata that is read through it.
void lock(lua_State* lua, const char* name) {
  static_cast<void>(lua_newuserdata(lua, 1));
  lua_createtable(lua, 0, 3);
  lua_pushvalue(lua, -3);
  lua_setfield(lua, -2, "__index");
  lua_pushstring(lua, name);
  lua_pushcclosure(lua, refuse_write, 1);
  lua_setfield(lua, -2, "__newindex");
  lua_pushboolean(lua, 0);
  lua_setfield(lua, -2, "__metatable");
  lua_setmetatable(lua, -2);
  lua_remove(lua, -2);
}

// Upvalue: the base table. A name of it, or of the request, cannot be taken by a script.
int set_global(lua_State* lua) {
  lua_pushvalue(lua, 2);
  lua_rawget(lua, lua_upvalueindex(1));
  bool is_taken = !lua_isnil(lua, -1);
  if (lua_type(lua, 2) == LUA_TSTRING) {
    is_taken = is_taken || is_call_global(lua_tostring(lua, 2));
    if (is_taken) return luaL_error(lua, "%s is read-only", lua_tostring(lua, 2));
  }
  lua_settop(lua, 3);
  lua_rawset(lua, 1);
  return 0;
}

void open_library(lua_State* lua, lua_CFunction open, const char* name) {
  lua_pushcfunction(lua, open);
  lua_pushstring(lua, name);
  lua_call(lua, 1, 0);
}

// Pushes the library `name` of what was opened, less what is not on the list.
template <size_t kSize>
void push_library(lua_State* lua, const char* name, const std::array<const char*, kSize>& names) {
  lua_getfield(lua, LUA_GLOBALSINDEX, name);
  lua_createtable(lua, 0, static_cast<int>(kSize) + 8);
  copy_fields(lua, lua_gettop(lua) - 1, names);
  lua_remove(lua, -2);
}

// With the base table on top.
void add_libraries(lua_State* lua) {
  push_library(lua, "string", kStringNames);
  add_string_functions(lua);
  lua_pushliteral(lua, "");
  lua_createtable(lua, 0, 2);
  lua_pushvalue(lua, -3);
  lua_setfield(lua, -2, "__index");
  lua_pushboolean(lua, 0);
  lua_setfield(lua, -2, "__metatable");
  lua_setmetatable(lua, -2);  // Of all strings.
  lua_pop(lua, 1);
  lock(lua, "string");
  lua_setfield(lua, -2, "string");

  push_library(lua, "table", kTableNames);
  add_table_functions(lua);
  lock(lua, "table");
  lua_setfield(lua, -2, "table");

  push_library(lua, "math", kMathNames);
  lock(lua, "math");
  lua_setfield(lua, -2, "math");
}

// With the base table on top.
void add_views(lua_State* lua) {
  References& references = State::of(lua).references;
  lua_pushcfunction(lua, read_header);
  lock(lua, "request.headers");
  lua_pushvalue(lua, -1);
  references.headers = luaL_ref(lua, LUA_REGISTRYINDEX);
  lua_getfield(lua, LUA_GLOBALSINDEX, "next");
  lua_pushcclosure(lua, pairs, 2);
  lua_setfield(lua, -2, "pairs");
  lua_pushcfunction(lua, read_request);
  lock(lua, "request");
  lua_setfield(lua, -2, "request");
  lua_pushcfunction(lua, read_response);
  lock(lua, "response");
  lua_setfield(lua, -2, "response");
  constexpr luaL_Reg kFunctions[] = {{"now", read_seconds},
                                     {"now_ms", read_milliseconds},
                                     {"log", add_log_line},
                                     {"pcall", call_protected}};
  for (const luaL_Reg& function : kFunctions) {
    lua_pushcfunction(lua, function.func);
    lua_setfield(lua, -2, function.name);
  }
  lua_createtable(lua, 0, 1);
  lua_pushcfunction(lua, read_call_global);
  lua_setfield(lua, -2, "__index");
  lua_setmetatable(lua, -2);
}

}  // namespace

void build_sandbox(lua_State* lua) {
  open_library(lua, luaopen_base, "");
  open_library(lua, luaopen_string, LUA_STRLIBNAME);
  open_library(lua, luaopen_table, LUA_TABLIBNAME);
  open_library(lua, luaopen_math, LUA_MATHLIBNAME);
  lua_createtable(lua, 0, 32);
  copy_fields(lua, LUA_GLOBALSINDEX, kBaseNames);
  add_libraries(lua);
  add_views(lua);
  References& references = State::of(lua).references;
  lua_createtable(lua, 0, 3);
  lua_pushvalue(lua, -2);
  lua_setfield(lua, -2, "__index");
  lua_pushvalue(lua, -2);
  lua_pushcclosure(lua, set_global, 1);
  lua_setfield(lua, -2, "__newindex");
  lua_pushboolean(lua, 0);
  lua_setfield(lua, -2, "__metatable");
  references.environment_metatable = luaL_ref(lua, LUA_REGISTRYINDEX);
  references.base = luaL_ref(lua, LUA_REGISTRYINDEX);
  // What was opened and is not on a list goes.
  lua_pushnil(lua);
  lua_setfield(lua, LUA_REGISTRYINDEX, "_LOADED");
  lua_newtable(lua);
  lua_replace(lua, LUA_GLOBALSINDEX);
  lua_gc(lua, LUA_GCCOLLECT, 0);
}

void push_environment(lua_State* lua) {
  lua_newtable(lua);
  lua_rawgeti(lua, LUA_REGISTRYINDEX, State::of(lua).references.environment_metatable);
  lua_setmetatable(lua, -2);
}

}  // namespace sluice::script
