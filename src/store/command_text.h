// Commands as they travel.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace sluice::store {

// Adds one command, whose arguments may hold any bytes.
void append_command(std::string& text, std::span<const std::string> arguments);

// The same for a few words.
void append_command(std::string& text, std::initializer_list<std::string_view> arguments);

}  // namespace sluice::store
