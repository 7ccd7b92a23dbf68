#include "views.h"

#include <algorithm>
#include <array>
#include <string>

#include <sluice/json/value.h>

#include "plain_text.h"
#include "state.h"

namespace sluice::script {
namespace {

constexpr json::ValueLimits kJsonLimits = {
    .bytes_max = 64 << 10, .depth_max = 16, .values_max = 4'096};
constexpr uint64_t kJsonValueCost = 10;  // In instructions.

int push_text(lua_State* lua, std::string_view text) {
  lua_pushlstring(lua, text.data(), text.size());
  return 1;
}

std::string_view name_argument(lua_State* lua) {
  if (lua_type(lua, 2) != LUA_TSTRING) return {};
  size_t size = 0;
  const char* const name = lua_tolstring(lua, 2, &size);
  return {name, size};
}

char to_lower(char byte) {
  return static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
}

bool is_same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, to_lower, to_lower);
}

void push_value(lua_State* lua, const json::Value& value);

void push_array(lua_State* lua, const json::Array& array) {
  lua_createtable(lua, static_cast<int>(array.size()), 0);
  int index = 0;
  for (const json::Value& item : array) {
    push_value(lua, item);
    lua_rawseti(lua, -2, ++index);
  }
}

void push_object(lua_State* lua, const json::Object& object) {
  lua_createtable(lua, 0, static_cast<int>(object.size()));
  for (const json::Member& member : object) {
    push_text(lua, member.name);
    push_value(lua, member.value);
    lua_rawset(lua, -3);
  }
}

void push_value(lua_State* lua, const json::Value& value) {
  luaL_checkstack(lua, 4, "the JSON is nested too deeply");
  State::of(lua).charge(lua, kJsonValueCost);
  double number = 0;
  if (const bool* const boolean = value.as_boolean()) {
    lua_pushboolean(lua, *boolean ? 1 : 0);
  } else if (const std::string* const text = value.as_string()) {
    push_text(lua, *text);
  } else if (const json::Array* const array = value.as_array()) {
    push_array(lua, *array);
  } else if (const json::Object* const object = value.as_object()) {
    push_object(lua, *object);
  } else if (value.as_number(number)) {
    lua_pushnumber(lua, number);
  } else {
    lua_pushnil(lua);
  }
}

// Null, or what is wrong with it.
const char* parse(State& state, std::string_view text) {
  auto value = json::parse_value(text, kJsonLimits);
  if (!value) return value.error().data();
  state.parsed.emplace(std::move(*value));
  return nullptr;
}

// The table of `text`, made at the first call and then kept in `reference`.
int push_json(lua_State* lua, const char* name, std::string_view text, bool& is_there,
              int& reference) {
  State& state = State::of(lua);
  if (text.empty()) return 0;
  if (!is_there) {
    if (const char* const error = parse(state, text)) {
      return luaL_error(lua, "%s cannot be read: %s", name, error);
    }
    push_value(lua, *state.parsed);
    state.parsed.reset();
    if (lua_isnil(lua, -1)) return 1;
    if (reference == LUA_NOREF) {
      reference = luaL_ref(lua, LUA_REGISTRYINDEX);
    } else {
      lua_rawseti(lua, LUA_REGISTRYINDEX, reference);
    }
    is_there = true;
  }
  lua_rawgeti(lua, LUA_REGISTRYINDEX, reference);
  return 1;
}

int push_count(lua_State* lua, int64_t count) {
  if (count < 0) return 0;
  lua_pushnumber(lua, static_cast<lua_Number>(count));
  return 1;
}

// Upvalues: how many fields were given.
int next_header(lua_State* lua) {
  const auto at = static_cast<size_t>(lua_tointeger(lua, lua_upvalueindex(1)));
  const RequestView& request = *State::of(lua).call.request;
  if (at >= request.headers.size()) return 0;
  lua_pushinteger(lua, static_cast<lua_Integer>(at + 1));
  lua_replace(lua, lua_upvalueindex(1));
  push_text(lua, request.headers[at].name);
  push_text(lua, request.headers[at].value);
  return 2;
}

}  // namespace

int read_request(lua_State* lua) {
  const State& state = State::of(lua);
  const RequestView& request = *state.call.request;
  const std::string_view name = name_argument(lua);
  if (name == "headers") {
    lua_rawgeti(lua, LUA_REGISTRYINDEX, state.references.headers);
    return 1;
  }
  if (name == "stream") {
    lua_pushboolean(lua, request.is_stream ? 1 : 0);
    return 1;
  }
  if (name == "method") return push_text(lua, request.method);
  if (name == "path") return push_text(lua, request.path);
  // A text that is not known is nil, so that a comparison with it is never true by accident.
  std::string_view text;
  if (name == "client_ip" || name == "ip")
    text = request.client_address;
  else if (name == "id")
    text = request.request_id;
  else if (name == "key_id")
    text = request.key_id;
  else if (name == "key_name")
    text = request.key_name;
  else if (name == "tenant")
    text = request.tenant;
  else if (name == "user")
    text = request.user;
  else if (name == "model")
    text = request.model;
  else
    return luaL_error(lua, "request has no field of this name (see docs/scripts.md)");
  return text.empty() ? 0 : push_text(lua, text);
}

int read_response(lua_State* lua) {
  const ResponseView* const response = State::of(lua).call.response;
  if (response == nullptr) return luaL_error(lua, "there is no response yet in this hook");
  const std::string_view name = name_argument(lua);
  if (name == "status") return push_count(lua, response->status);
  if (name == "latency_ms") return push_count(lua, response->latency_ms);
  if (name == "input_tokens") return push_count(lua, response->input_tokens);
  if (name == "output_tokens") return push_count(lua, response->output_tokens);
  std::string_view text;
  if (name == "upstream")
    text = response->upstream;
  else if (name == "model")
    text = response->model;
  else
    return luaL_error(lua, "response has no field of this name (see docs/scripts.md)");
  return text.empty() ? 0 : push_text(lua, text);
}

int read_header(lua_State* lua) {
  State& state = State::of(lua);
  const std::string_view name = name_argument(lua);
  state.charge(lua, state.call.request->headers.size());
  for (const Field& field : state.call.request->headers) {
    if (is_same_name(field.name, name)) return push_text(lua, field.value);
  }
  return 0;
}

int pairs(lua_State* lua) {
  luaL_checkany(lua, 1);
  if (lua_rawequal(lua, 1, lua_upvalueindex(1)) != 0) {
    lua_pushinteger(lua, 0);
    lua_pushcclosure(lua, next_header, 1);
    return 1;
  }
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_pushvalue(lua, lua_upvalueindex(2));
  lua_pushvalue(lua, 1);
  lua_pushnil(lua);
  return 3;
}

int read_seconds(lua_State* lua) {
  lua_pushnumber(lua,
                 static_cast<lua_Number>(State::of(lua).call.request->now.unix_us / 1'000'000));
  return 1;
}

int read_milliseconds(lua_State* lua) {
  lua_pushnumber(lua, static_cast<lua_Number>(State::of(lua).call.request->now.unix_us / 1'000));
  return 1;
}

int add_log_line(lua_State* lua) {
  size_t size = 0;
  const char* const text = luaL_checklstring(lua, 1, &size);
  State& state = State::of(lua);
  state.charge(lua, kLogBytesMax);
  auto& lines = state.call.outcome->log_lines;
  if (lines.size() < kLogLinesMax) lines.push_back(plain_text({text, size}, kLogBytesMax));
  return 0;
}

int read_call_global(lua_State* lua) {
  State& state = State::of(lua);
  Call& call = state.call;
  const std::string_view name = name_argument(lua);
  if (name == "api_key") return push_text(lua, call.request->api_key);
  if (name == "data" || name == "key") {
    return push_json(lua, "data", call.request->data, call.has_data, state.references.data);
  }
  if (name == "metadata") {
    return push_json(lua, "metadata", call.request->metadata, call.has_metadata,
                     state.references.metadata);
  }
  return 0;
}

bool is_call_global(std::string_view name) noexcept {
  constexpr std::array<std::string_view, 4> kNames = {"api_key", "data", "key", "metadata"};
  return std::ranges::find(kNames, name) != kNames.end();
}

}  // namespace sluice::script
