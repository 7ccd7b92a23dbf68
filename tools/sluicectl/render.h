// Answers of the admin socket as people read them, by the shapes of the table of commands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sluice/json/value.h>

#include "command.h"

namespace sluice::sluicectl {

// A value as one cell: "-" for null and for nothing in it, lists with commas, no control
// characters.
[[nodiscard]] std::string cell(const json::Value& value);
// Of a member; "-" when there is none.
[[nodiscard]] std::string cell(const json::Value& object, std::string_view member);
[[nodiscard]] bool is_true(const json::Value& object, std::string_view member) noexcept;
// Empty when there is no such array.
[[nodiscard]] const json::Array& items(const json::Value& object, std::string_view member) noexcept;

// Bytes that move a terminal's cursor become "?".
[[nodiscard]] std::string printable(std::string_view text);
// "tokens_in" -> "TOKENS-IN".
[[nodiscard]] std::string title_of(std::string_view member);
// "12.345678" for 12345678.
[[nodiscard]] std::string dollars(std::string micro);

// Columns as wide as their widest cell; texts to the left, numbers to the right.
[[nodiscard]] std::string render_table(const std::vector<std::vector<std::string>>& rows);
// `columns` as Command::columns.
[[nodiscard]] std::string render_list(const json::Array& list, std::string_view columns);
[[nodiscard]] std::string render_record(const json::Value& record);
// `text` with each {name} replaced by that member.
[[nodiscard]] std::string fill_in(std::string_view text, const json::Value& record);
// "<before>sentence\n" for each.
[[nodiscard]] std::string render_sentences(const json::Array& list, std::string_view before);

// What goes to standard output. Of Shape::kSecret without the secret.
[[nodiscard]] std::string render(const Command& command, const json::Value& answer);
// For one that was not done: the message, then all problems.
[[nodiscard]] std::string render_refusal(const json::Value& answer, bool is_failure);

}  // namespace sluice::sluicectl
