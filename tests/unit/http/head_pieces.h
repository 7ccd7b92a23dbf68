// Feeds a head to a parser in pieces, the way a socket would.
#pragma once

#include <sluice/http/head.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::http {

// The bytes a parser has been given so far, in a new allocation of just that size for each call, so
// that views kept too long and reads behind the end are seen by a sanitizer.
class HeadPieces {
 public:
  template <class Parser>
  ParseState feed(Parser& parser, std::string_view input, const std::vector<size_t>& cuts) {
    ParseState state = ParseState::kNeedMore;
    for (const size_t cut : cuts) {
      if (state != ParseState::kNeedMore) break;
      state = parse(parser, input.substr(0, cut));
    }
    if (state == ParseState::kNeedMore) state = parse(parser, input);
    return state;
  }

 private:
  template <class Parser>
  ParseState parse(Parser& parser, std::string_view input) {
    std::vector<char> next(input.begin(), input.end());
    const ParseState state = parser.parse({next.data(), next.size()});
    bytes_ = std::move(next);
    return state;
  }

  std::vector<char> bytes_;
};

// Runs `outcome(cuts)` for the whole input, cut in two at every byte, and cut at all bytes, and
// returns the first outcome that differs from that of the whole, or the latter when none does.
template <class Outcome>
std::string outcome_of_all_cuts(std::string_view input, Outcome outcome) {
  const std::string whole = outcome({});
  std::vector<size_t> all;
  for (size_t cut = 0; cut < input.size(); ++cut) {
    all.push_back(cut);
    const std::string split = outcome({cut});
    if (split != whole) return "cut at " + std::to_string(cut) + ": " + split;
  }
  const std::string bytewise = outcome(all);
  return bytewise == whole ? whole : "cut at all bytes: " + bytewise;
}

}  // namespace sluice::http
