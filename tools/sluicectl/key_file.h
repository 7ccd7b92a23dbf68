// Files of many keys, so that no secret stands on a command line (D79).
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include <sluice/json/value.h>

namespace sluice::sluicectl {

// At most 64 MiB; `-` is standard input. The error is a sentence.
[[nodiscard]] std::expected<std::string, std::string> read_file(const std::string& path);

// Keys as objects for the API. JSON is an array of them, or an object with `keys`. CSV has a first
// line of names: secret, sha256, prefix, id, limits.<name>, and the members that keys create has
// options for; lists in a cell are separated by spaces or semicolons, an empty cell says nothing.
[[nodiscard]] std::expected<json::Array, std::string> read_key_file(const std::string& path,
                                                                    int64_t now);
[[nodiscard]] std::expected<json::Array, std::string> read_keys(std::string_view text, int64_t now);

}  // namespace sluice::sluicectl
