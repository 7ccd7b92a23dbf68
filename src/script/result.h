// What a script returned, checked and taken over. What makes no sense is an error, never ignored:
// a misspelt `allow` must not let a request pass.
#pragma once

#include <lua.hpp>

#include <sluice/script/hook.h>

namespace sluice::script {

// Reads the `count` values on top of the stack into `outcome`. Uses nothing of Lua's that throws
// or allocates, and no metatable.
void read_result(lua_State* lua, int count, HookKind kind, HookOutcome& outcome);

}  // namespace sluice::script
