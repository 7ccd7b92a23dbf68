// A loop over the members of one object.
#pragma once

#include <string_view>

#include "token_cursor.h"

namespace sluice::json {

// Calls `member` with each key of the object that begins here; it takes the value, and returns
// false on a syntax fault, as this does.
template <class Member>
bool for_each_member(TokenCursor& cursor, Member&& member) noexcept {
  if (!cursor.enter_object()) return false;
  bool is_first = true;
  std::string_view key;
  while (true) {
    const TokenCursor::Step step = cursor.next_member(is_first, key);
    if (step == TokenCursor::Step::kFault) return false;
    if (step == TokenCursor::Step::kEnd) return true;
    if (!member(key)) return false;
  }
}

}  // namespace sluice::json
