// Library functions that replace Lua's own where those could run long or change what is shared.
//
// All of them throw Lua's errors past their own frames, so none holds anything with a destructor.
#pragma once

#include <lua.hpp>

namespace sluice::script {

// Put their functions into the table on top of the stack.
void add_string_functions(lua_State* lua);
void add_table_functions(lua_State* lua);

}  // namespace sluice::script
