// What a script finds: an allow-list of Lua's own, the libraries of ours, and the request.
//
// What lives longer than a call cannot be changed by one: the libraries and the request are
// userdata with a locked metatable, so that no rawset(), setmetatable() or table.insert() takes
// them, and the globals of a call are a table of its own.
#pragma once

#include <lua.hpp>

namespace sluice::script {

// Within a protected call, once for each state; fills State::references.
void build_sandbox(lua_State* lua);

// Pushes the table of globals for one call.
void push_environment(lua_State* lua);

}  // namespace sluice::script
