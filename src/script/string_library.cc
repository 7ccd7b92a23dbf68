#include <algorithm>
#include <cstring>
#include <string_view>

#include "libraries.h"
#include "state.h"

namespace sluice::script {
namespace {

constexpr uint64_t kCompileCost = 5'000;  // Instructions that compiling a pattern counts as.
constexpr uint64_t kMatchCost = 20;       // Besides one for each 8 bytes that were looked at.

std::string_view text_argument(lua_State* lua, int index) {
  size_t size = 0;
  const char* const text = luaL_checklstring(lua, index, &size);
  return {text, size};
}

std::string_view subject_argument(lua_State* lua, int index) {
  const std::string_view subject = text_argument(lua, index);
  luaL_argcheck(lua, subject.size() <= kSubjectBytesMax, index,
                "the text is too long for patterns (at most 32 KiB)");
  return subject;
}

const Pattern& pattern_of(lua_State* lua, std::string_view text, bool knows_anchor) {
  State& state = State::of(lua);
  const PatternCache::Found found = state.patterns().find(text, knows_anchor);
  if (found.pattern == nullptr) luaL_error(lua, "%s", found.error);
  if (found.is_new) state.charge(lua, kCompileCost);
  return *found.pattern;
}

// As Pattern::match(), paid for.
bool match(lua_State* lua, const Pattern& pattern, std::string_view text, size_t from,
           Spans& spans) {
  const bool found = pattern.match(text, from, spans);
  const size_t end =
      found ? static_cast<size_t>(spans[0].data() - text.data()) + spans[0].size() : text.size();
  State::of(lua).charge(lua, kMatchCost + (end - from) / 8);
  return found;
}

void push_capture(lua_State* lua, const Pattern& pattern, const Spans& spans, uint32_t capture,
                  std::string_view text) {
  const re2::StringPiece& span = spans[capture + 1];
  if (pattern.is_position(capture)) {
    lua_pushinteger(lua, span.data() - text.data() + 1);
  } else {
    lua_pushlstring(lua, span.data(), span.size());
  }
}

// The captures, or the whole when there are none and it is wanted.
int push_captures(lua_State* lua, const Pattern& pattern, const Spans& spans, std::string_view text,
                  bool wants_whole) {
  luaL_checkstack(lua, static_cast<int>(kCapturesMax) + 2, "too many captures");
  if (pattern.captures() == 0) {
    if (!wants_whole) return 0;
    lua_pushlstring(lua, spans[0].data(), spans[0].size());
    return 1;
  }
  for (uint32_t capture = 0; capture < pattern.captures(); ++capture) {
    push_capture(lua, pattern, spans, capture, text);
  }
  return static_cast<int>(pattern.captures());
}

// The third argument of find and match as an offset; beyond the end it is the end, as LuaJIT has
// it.
size_t first_offset(lua_State* lua, size_t size) {
  const lua_Integer first = luaL_optinteger(lua, 3, 1);
  const auto length = static_cast<lua_Integer>(size);
  if (first < 0) return first + length < 0 ? 0 : static_cast<size_t>(first + length);
  if (first == 0) return 0;
  return static_cast<size_t>(first - 1 > length ? length : first - 1);
}

int find_plain(lua_State* lua, std::string_view text, std::string_view what, size_t from) {
  State::of(lua).charge(lua, (text.size() - from) / 8);
  const void* const found =
      ::memmem(text.data() + from, text.size() - from, what.data(), what.size());
  if (found == nullptr) {
    lua_pushnil(lua);
    return 1;
  }
  const auto at = static_cast<const char*>(found) - text.data();
  lua_pushinteger(lua, at + 1);
  lua_pushinteger(lua, at + static_cast<ptrdiff_t>(what.size()));
  return 2;
}

int find(lua_State* lua) {
  constexpr std::string_view kSpecials = "^$*+?.([%-";
  const std::string_view text = text_argument(lua, 1);
  const std::string_view what = text_argument(lua, 2);
  const size_t from = first_offset(lua, text.size());
  if (lua_toboolean(lua, 4) != 0 || what.find_first_of(kSpecials) == std::string_view::npos) {
    return find_plain(lua, text, what, from);
  }
  static_cast<void>(subject_argument(lua, 1));
  const Pattern& pattern = pattern_of(lua, what, true);
  Spans spans;
  if (!match(lua, pattern, text, from, spans)) {
    lua_pushnil(lua);
    return 1;
  }
  const auto at = spans[0].data() - text.data();
  lua_pushinteger(lua, at + 1);
  lua_pushinteger(lua, at + static_cast<ptrdiff_t>(spans[0].size()));
  return 2 + push_captures(lua, pattern, spans, text, false);
}

int match_once(lua_State* lua) {
  const std::string_view text = subject_argument(lua, 1);
  const Pattern& pattern = pattern_of(lua, text_argument(lua, 2), true);
  Spans spans;
  if (match(lua, pattern, text, first_offset(lua, text.size()), spans)) {
    return push_captures(lua, pattern, spans, text, true);
  }
  lua_pushnil(lua);
  return 1;
}

// Upvalues: the text, the pattern, the offset of the next search.
int next_match(lua_State* lua) {
  size_t size = 0;
  const char* const bytes = lua_tolstring(lua, lua_upvalueindex(1), &size);
  const std::string_view text(bytes, size);
  const char* const pattern_bytes = lua_tolstring(lua, lua_upvalueindex(2), &size);
  const Pattern& pattern = pattern_of(lua, {pattern_bytes, size}, false);
  const auto from = static_cast<size_t>(lua_tointeger(lua, lua_upvalueindex(3)));
  Spans spans;
  if (from > text.size() || !match(lua, pattern, text, from, spans)) return 0;
  const ptrdiff_t end = spans[0].data() - text.data() + static_cast<ptrdiff_t>(spans[0].size());
  lua_pushinteger(lua, end + (spans[0].empty() ? 1 : 0));
  lua_replace(lua, lua_upvalueindex(3));
  return push_captures(lua, pattern, spans, text, true);
}

int match_each(lua_State* lua) {
  static_cast<void>(subject_argument(lua, 1));
  static_cast<void>(pattern_of(lua, text_argument(lua, 2), false));
  lua_settop(lua, 2);
  lua_pushinteger(lua, 0);
  lua_pushcclosure(lua, next_match, 3);
  return 1;
}

// Appends `template_text` with its %0 to %9.
void add_template(lua_State* lua, luaL_Buffer& out, std::string_view template_text,
                  const Pattern& pattern, const Spans& spans, std::string_view text) {
  for (size_t at = 0; at < template_text.size(); ++at) {
    char byte = template_text[at];
    if (byte == '%' && at + 1 < template_text.size()) {
      byte = template_text[++at];
      const auto digit = static_cast<uint32_t>(byte - '0');
      if (digit == 0 || (digit == 1 && pattern.captures() == 0)) {
        luaL_addlstring(&out, spans[0].data(), spans[0].size());
        continue;
      }
      if (digit <= 9) {
        if (digit > pattern.captures()) luaL_error(lua, "invalid capture index");
        push_capture(lua, pattern, spans, digit - 1, text);
        luaL_addvalue(&out);
        continue;
      }
    }
    luaL_addchar(&out, byte);
  }
}

int index_table(lua_State* lua) {
  lua_gettable(lua, 1);
  return 1;
}

// Appends what stands for one match: argument 3 is a string, a table or a function.
void add_replacement(lua_State* lua, luaL_Buffer& out, const Pattern& pattern, const Spans& spans,
                     std::string_view text) {
  const int kind = lua_type(lua, 3);
  if (kind == LUA_TSTRING || kind == LUA_TNUMBER) {
    size_t size = 0;
    const char* const bytes = lua_tolstring(lua, 3, &size);
    return add_template(lua, out, {bytes, size}, pattern, spans, text);
  }
  if (kind == LUA_TTABLE) {
    if (pattern.captures() == 0) {
      lua_pushlstring(lua, spans[0].data(), spans[0].size());
    } else {
      push_capture(lua, pattern, spans, 0, text);
    }
    // __index may be a function of the script's.
    lua_pushvalue(lua, 3);
    lua_insert(lua, -2);
    lua_pushcfunction(lua, index_table);
    lua_insert(lua, -3);
    State::of(lua).call_back(lua, 2, 1);
  } else {
    lua_pushvalue(lua, 3);
    const int captures = push_captures(lua, pattern, spans, text, true);
    State::of(lua).call_back(lua, captures, 1);
  }
  if (lua_toboolean(lua, -1) == 0) {
    lua_pop(lua, 1);
    lua_pushlstring(lua, spans[0].data(), spans[0].size());
  } else if (lua_isstring(lua, -1) == 0) {
    luaL_error(lua, "invalid replacement value (a %s)", luaL_typename(lua, -1));
  }
  luaL_addvalue(&out);
}

int replace_all(lua_State* lua) {
  const std::string_view text = subject_argument(lua, 1);
  const std::string_view what = text_argument(lua, 2);
  const int kind = lua_type(lua, 3);
  luaL_argcheck(
      lua,
      kind == LUA_TNUMBER || kind == LUA_TSTRING || kind == LUA_TTABLE || kind == LUA_TFUNCTION, 3,
      "string, function or table expected");
  const lua_Integer most = luaL_optinteger(lua, 4, static_cast<lua_Integer>(text.size()) + 1);
  const Pattern& pattern = pattern_of(lua, what, true);
  State& state = State::of(lua);
  lua_Integer count = 0;
  size_t at = 0;
  Spans spans;
  luaL_Buffer out;
  luaL_buffinit(lua, &out);
  while (count < most) {
    if (!match(lua, pattern, text, at, spans)) break;
    ++count;
    const auto begin = static_cast<size_t>(spans[0].data() - text.data());
    luaL_addlstring(&out, text.data() + at, begin - at);
    add_replacement(lua, out, pattern, spans, text);
    at = begin + spans[0].size();
    if (spans[0].empty()) {
      if (at == text.size()) break;
      luaL_addchar(&out, text[at++]);
    }
    if (pattern.is_anchored()) break;
    state.charge(lua, kMatchCost);
  }
  luaL_addlstring(&out, text.data() + at, text.size() - at);
  luaL_pushresult(&out);
  lua_pushinteger(lua, count);
  return 2;
}

int repeat(lua_State* lua) {
  const std::string_view text = text_argument(lua, 1);
  const lua_Integer times = luaL_checkinteger(lua, 2);
  const std::string_view separator = lua_isnoneornil(lua, 3) ? "" : text_argument(lua, 3);
  if (times <= 0 || text.size() + separator.size() == 0) {
    lua_pushliteral(lua, "");
    return 1;
  }
  if (static_cast<uint64_t>(times) > kStringBytesMax / (text.size() + separator.size())) {
    luaL_error(lua, "the result of string.rep is too long (at most 512 KiB)");
  }
  const size_t piece = text.size() + separator.size();
  const size_t size = piece * static_cast<size_t>(times) - separator.size();
  State::of(lua).charge(lua, size / 64);
  auto* const out = static_cast<char*>(lua_newuserdata(lua, size + separator.size()));
  text.copy(out, text.size());
  separator.copy(out + text.size(), separator.size());
  for (size_t filled = piece; filled < size; filled *= 2) {
    std::memcpy(out + filled, out, std::min(filled, piece * static_cast<size_t>(times) - filled));
  }
  lua_pushlstring(lua, out, size);
  return 1;
}

// Upvalue: Lua's own, which calls __tostring.
int format(lua_State* lua) {
  const int arguments = lua_gettop(lua);
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 1);
  State& state = State::of(lua);
  if (state.call_back_protected(lua, arguments, 1) == 0) return 1;
  state.charge(lua, kThrowCost);
  if (lua_type(lua, -1) != LUA_TSTRING) return lua_error(lua);
  // Called by us, it knows neither its name nor the script's line.
  luaL_where(lua, 1);
  lua_pushliteral(lua, "string.format: ");
  lua_pushvalue(lua, -3);
  lua_concat(lua, 3);
  return lua_error(lua);
}

// The text of argument 1 with each byte put through `change`, from the end when `is_reversed`.
template <typename Change>
int map_bytes(lua_State* lua, bool is_reversed, Change change) {
  const std::string_view text = text_argument(lua, 1);
  State::of(lua).charge(lua, text.size() / 8);
  auto* const out = static_cast<char*>(lua_newuserdata(lua, text.size() + 1));
  for (size_t at = 0; at < text.size(); ++at) {
    out[is_reversed ? text.size() - 1 - at : at] = change(text[at]);
  }
  lua_pushlstring(lua, out, text.size());
  return 1;
}

int to_lower(lua_State* lua) {
  return map_bytes(lua, false, [](char byte) {
    return static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
  });
}

int to_upper(lua_State* lua) {
  return map_bytes(lua, false, [](char byte) {
    return static_cast<char>(byte >= 'a' && byte <= 'z' ? byte - ('a' - 'A') : byte);
  });
}

int reverse(lua_State* lua) {
  return map_bytes(lua, true, [](char byte) { return byte; });
}

}  // namespace

void add_string_functions(lua_State* lua) {
  lua_getfield(lua, -1, "format");
  lua_pushcclosure(lua, format, 1);
  lua_setfield(lua, -2, "format");
  constexpr luaL_Reg kFunctions[] = {
      {"find", find},  {"match", match_once}, {"gmatch", match_each}, {"gsub", replace_all},
      {"rep", repeat}, {"lower", to_lower},   {"upper", to_upper},    {"reverse", reverse},
  };
  for (const luaL_Reg& function : kFunctions) {
    lua_pushcfunction(lua, function.func);
    lua_setfield(lua, -2, function.name);
  }
}

}  // namespace sluice::script
