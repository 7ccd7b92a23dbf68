#include <bit>
#include <cstdint>

#include "libraries.h"
#include "state.h"

namespace sluice::script {
namespace {

constexpr int kSortedMax = 10'000;  // Without a function of the script's, nothing interrupts it.

int insert(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  const auto end = static_cast<lua_Integer>(lua_objlen(lua, 1)) + 1;
  const int arguments = lua_gettop(lua);
  if (arguments == 2) {
    lua_rawseti(lua, 1, static_cast<int>(end));
    return 0;
  }
  if (arguments != 3) luaL_error(lua, "wrong number of arguments to 'insert'");
  const lua_Integer at = luaL_checkinteger(lua, 2);
  luaL_argcheck(lua, at >= 1 && at <= end, 2, "position out of bounds");
  State::of(lua).charge(lua, static_cast<uint64_t>(end - at));
  for (lua_Integer i = end; i > at; --i) {
    lua_rawgeti(lua, 1, static_cast<int>(i - 1));
    lua_rawseti(lua, 1, static_cast<int>(i));
  }
  lua_rawseti(lua, 1, static_cast<int>(at));
  return 0;
}

int remove(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  const auto size = static_cast<lua_Integer>(lua_objlen(lua, 1));
  const lua_Integer at = luaL_optinteger(lua, 2, size);
  if (at < 1 || at > size) return 0;
  State::of(lua).charge(lua, static_cast<uint64_t>(size - at));
  lua_rawgeti(lua, 1, static_cast<int>(at));
  for (lua_Integer i = at; i < size; ++i) {
    lua_rawgeti(lua, 1, static_cast<int>(i + 1));
    lua_rawseti(lua, 1, static_cast<int>(i));
  }
  lua_pushnil(lua);
  lua_rawseti(lua, 1, static_cast<int>(size));
  return 1;
}

int concatenate(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  size_t separator_size = 0;
  const char* const separator = luaL_optlstring(lua, 2, "", &separator_size);
  const lua_Integer first = luaL_optinteger(lua, 3, 1);
  const lua_Integer last = luaL_optinteger(lua, 4, static_cast<lua_Integer>(lua_objlen(lua, 1)));
  State& state = State::of(lua);
  size_t total = 0;
  luaL_Buffer out;
  luaL_buffinit(lua, &out);
  for (lua_Integer i = first; i <= last; ++i) {
    state.charge(lua, 2);
    lua_rawgeti(lua, 1, static_cast<int>(i));
    if (lua_isstring(lua, -1) == 0) {
      luaL_error(lua, "invalid value (%s) at index %d in table for 'concat'",
                 luaL_typename(lua, -1), static_cast<int>(i));
    }
    total += lua_objlen(lua, -1) + separator_size;
    if (total > kStringBytesMax + separator_size) {
      luaL_error(lua, "the result of table.concat is too long (at most 512 KiB)");
    }
    luaL_addvalue(&out);
    if (i < last) luaL_addlstring(&out, separator, separator_size);
  }
  luaL_pushresult(&out);
  return 1;
}

// Upvalue: Lua's own.
int sort(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  const size_t size = lua_objlen(lua, 1);
  luaL_argcheck(lua, size <= kSortedMax, 1, "too many elements to sort (at most 10000)");
  State& state = State::of(lua);
  state.charge(lua, size * static_cast<uint64_t>(std::bit_width(size)));
  lua_settop(lua, 2);
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 1);
  state.call_back(lua, 2, 0);
  return 0;
}

}  // namespace

void add_table_functions(lua_State* lua) {
  lua_getfield(lua, -1, "sort");
  lua_pushcclosure(lua, sort, 1);
  lua_setfield(lua, -2, "sort");
  constexpr luaL_Reg kFunctions[] = {
      {"insert", insert}, {"remove", remove}, {"concat", concatenate}};
  for (const luaL_Reg& function : kFunctions) {
    lua_pushcfunction(lua, function.func);
    lua_setfield(lua, -2, function.name);
  }
}

}  // namespace sluice::script
