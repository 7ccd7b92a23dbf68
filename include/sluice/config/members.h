// The servers that discovery has found, as a load of the configuration takes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sluice::config {

inline constexpr size_t kGroupMembersMax = 1024;

// One found server. What cannot be dialled, and what is beyond the bounds, is left out by the load
// with a warning: what a network answers never makes a configuration fail.
struct Member {
  std::string host;     // Name, or numeric address without brackets.
  uint16_t port = 0;    // 0 is the port of the item's `url`.
  uint32_t weight = 1;  // Multiplied with the item's own; 1-1000.
  bool operator==(const Member&) const = default;
};

// The servers of the item of `upstreams` that has `discover`, by the item's name. The upstreams of
// the snapshot have their order, so a source should keep one.
struct MemberGroup {
  std::string group;
  std::vector<Member> members;
  bool operator==(const MemberGroup&) const = default;
};

// A group that is not there has no members yet.
using Members = std::vector<MemberGroup>;

}  // namespace sluice::config
