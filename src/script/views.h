// What a script sees of the call it runs in: request, response, data, metadata, the time.
// Read from the views when it is asked for, so that what is not used costs nothing.
#pragma once

#include <string_view>

#include <lua.hpp>

namespace sluice::script {

inline constexpr size_t kLogLinesMax = 16;   // Of one call; more are dropped.
inline constexpr size_t kLogBytesMax = 256;  // Of one line.

// Functions of Lua; they throw its errors.
int read_request(lua_State* lua);
int read_response(lua_State* lua);
int read_header(lua_State* lua);  // By its name in any case; the first of several.
int pairs(lua_State* lua);        // Upvalues: request.headers, and Lua's `next`.
int read_seconds(lua_State* lua);
int read_milliseconds(lua_State* lua);
int add_log_line(lua_State* lua);

// Of the globals that are the call's: api_key, data, key, metadata.
int read_call_global(lua_State* lua);
[[nodiscard]] bool is_call_global(std::string_view name) noexcept;

}  // namespace sluice::script
