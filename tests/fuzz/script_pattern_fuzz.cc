// Where a pattern means the same to Lua and to RE2, both find the same: place and captures, from
// the start and at every later match. LuaJIT's own string.find is the oracle, on inputs so short
// that its backtracking ends.
#include "pattern.h"  // tidy: allow(private-header) scripts reach it through a whole Lua state

#include <algorithm>

#include <lua.hpp>

#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using fuzz::expect;

constexpr size_t kOraclePatternMax = 14;
constexpr size_t kOracleTextMax = 24;

lua_State* open_oracle() {
  lua_State* const lua = luaL_newstate();
  lua_pushcfunction(lua, luaopen_string);
  lua_call(lua, 0, 0);
  return lua;
}

// One match as string.find gives it: begin, end, captures, a position as "#n".
std::vector<std::string> find_by_lua(lua_State* lua, std::string_view text,
                                     std::string_view pattern, size_t from) {
  lua_getfield(lua, LUA_GLOBALSINDEX, "string");
  lua_getfield(lua, -1, "find");
  lua_pushlstring(lua, text.data(), text.size());
  lua_pushlstring(lua, pattern.data(), pattern.size());
  lua_pushinteger(lua, static_cast<lua_Integer>(from + 1));
  expect(lua_pcall(lua, 3, LUA_MULTRET, 0) == 0, "Lua refuses a pattern that we take");
  std::vector<std::string> found;
  for (int i = 2; i <= lua_gettop(lua) && !lua_isnil(lua, 2); ++i) {
    const bool is_number = lua_type(lua, i) == LUA_TNUMBER;
    size_t size = 0;
    const char* const bytes = lua_tolstring(lua, i, &size);
    found.push_back((is_number ? "#" : "") + std::string(bytes, size));
  }
  lua_settop(lua, 0);
  return found;
}

std::vector<std::string> find_by_us(const script::Pattern& pattern, std::string_view text,
                                    size_t from) {
  script::Spans spans;
  if (!pattern.match(text, from, spans)) return {};
  const auto place = [&](const char* at) { return "#" + std::to_string(at - text.data() + 1); };
  std::vector<std::string> found = {place(spans[0].data()),
                                    place(spans[0].data() + spans[0].size() - 1)};
  for (uint32_t i = 0; i < pattern.captures(); ++i) {
    found.push_back(pattern.is_position(i) ? place(spans[i + 1].data())
                                           : std::string(spans[i + 1].as_string()));
  }
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static lua_State* const lua = open_oracle();
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const std::string_view text =
      input.substr(0, std::min<size_t>(bytes[0] % (kOracleTextMax + 1), input.size()));
  const std::string_view pattern = input.substr(text.size());
  const auto translation = script::translate(pattern, true);
  if (!translation) return 0;
  const auto made = script::Pattern::make(*translation);
  expect(made != nullptr || pattern.size() > kOraclePatternMax, "RE2 refuses a short pattern");
  // To Lua 5.1 a NUL ends the pattern; to us it is a byte, as in later versions.
  if (made == nullptr || pattern.size() > kOraclePatternMax || pattern.contains('\0')) return 0;
  for (size_t from = 0; from <= text.size(); ++from) {
    expect(find_by_us(*made, text, from) == find_by_lua(lua, text, pattern, from),
           "RE2 and Lua find different things");
  }
  return 0;
}
