// A usage object as nearly all servers write it, read in one pass over its bytes.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include <sluice/json/field_reader.h>

namespace sluice::json {

struct PlainUsage {
  UsageFields fields;
  size_t bytes;  // Length of the object.
};

// Reads the object that `text` begins with, if it is whole and written plainly: strings of ASCII
// without escapes, whole numbers from zero to 10^18, empty arrays, objects four deep at most.
// Nothing of it is taken on trust: what this reads FieldReader::read_usage() reads alike, and what
// this does not read is to be asked of that.
[[nodiscard]] std::optional<PlainUsage> read_plain_usage(std::string_view text) noexcept;

// The same for an event that brings usage and nothing else, as FieldReader::read_event() reads it:
// an array that is not empty, and a `response`, are not plain.
[[nodiscard]] std::optional<EventFields> read_plain_event(std::string_view text) noexcept;

}  // namespace sluice::json
