// Compares one event with the one that PlainEvents has learned.
#pragma once

#include <cstddef>
#include <string_view>

#include <sluice/usage/plain_events.h>

#include "needle.h"

namespace sluice::usage {

// Where the event that begins at `begin` in `span` ends, if it is `learned` with other text; npos
// otherwise.
using MatchEvent = size_t (*)(std::string_view span, size_t begin,
                              const LearnedEvent& learned) noexcept;

// The versions, for the test that compares them; the wide one is null where the machine lacks it.
[[nodiscard]] MatchEvent narrow_match_event() noexcept;
[[nodiscard]] MatchEvent wide_match_event() noexcept;

namespace detail {
extern MatchEvent chosen_match_event;
}

// The widest that this machine can run, chosen once at start.
[[nodiscard]] inline size_t match_event(std::string_view span, size_t begin,
                                        const LearnedEvent& learned) noexcept {
  return detail::chosen_match_event(span, begin, learned);
}

// The first quote or control byte at or behind `at`; text.size() when there is none.
[[nodiscard]] size_t find_text_end(std::string_view text, size_t at) noexcept;

}  // namespace sluice::usage
