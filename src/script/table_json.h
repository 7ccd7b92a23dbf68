// A script's table as JSON.
#pragma once

#include <expected>
#include <string>

#include <lua.hpp>

namespace sluice::script {

// The table on top as a JSON object, members by name; an error completes "it ...". Throws nothing
// and uses no metatable.
[[nodiscard]] std::expected<std::string, const char*> object_text(lua_State* lua, size_t bytes_max);

// As JSON has it: whole numbers without a point; "null" when not finite.
[[nodiscard]] std::string number_text(double number);

}  // namespace sluice::script
