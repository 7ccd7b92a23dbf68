// Values as sources write them: JSON, or text where JSON would have a number, a date or a list.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/json/value.h>

namespace sluice::auth {

inline constexpr int64_t kMicrosOfSecond = 1'000'000;
inline constexpr double kUnixSecondsMost = 253'402'300'799;  // The end of the year 9999.

// The error continues "<field> " and quotes nothing.
template <class T>
using FieldResult = std::expected<T, std::string>;

[[nodiscard]] FieldResult<double> read_number(const json::Value& value);
// Whole, from `least` to `most`.
[[nodiscard]] FieldResult<int64_t> read_integer(const json::Value& value, int64_t least,
                                                int64_t most);
// Also 0 and 1, "yes" and "no", "t" and "f".
[[nodiscard]] FieldResult<bool> read_boolean(const json::Value& value);
// Also a number, as it is written.
[[nodiscard]] FieldResult<std::string> read_text(const json::Value& value, size_t bytes_max);
// RFC 3339, as SQL writes it (a blank for the T, UTC when no offset is given), a date alone for its
// first moment, or Unix seconds.
[[nodiscard]] FieldResult<WallTime> read_time(const json::Value& value);
// An array of texts, or one text with commas between them; empty ones are left out.
[[nodiscard]] FieldResult<std::vector<std::string>> read_list(const json::Value& value,
                                                              size_t items_max, size_t bytes_max);

}  // namespace sluice::auth
