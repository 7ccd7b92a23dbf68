// The text with which a file or an HTTP endpoint lists the servers of an upstream.
#pragma once

#include <cstddef>
#include <expected>
#include <string_view>
#include <vector>

#include <sluice/config/members.h>

namespace sluice::control {

inline constexpr size_t kMemberListBytesMax = 1 << 20;

// Reads a list, as JSON or YAML, of "host", "host:port", "[address]:port" and of
// {"host", "port", "weight"}, the last two of which may be absent. An empty list is a valid one.
// One faulty item makes the whole list faulty, so that half an answer never removes servers. The
// error says what is wrong, without any part of `text`, and has static storage.
[[nodiscard]] std::expected<std::vector<config::Member>, std::string_view> read_member_list(
    std::string_view text);

// Sorted by host and port, each pair once, at most config::kGroupMembersMax: two answers that mean
// the same servers become equal. Of a pair that repeats the smallest weight stays.
void put_in_order(std::vector<config::Member>& members);

}  // namespace sluice::control
