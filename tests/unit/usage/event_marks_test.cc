#include "event_marks.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::usage {
namespace {

std::vector<size_t> marks_of(std::string_view text, size_t from) {
  std::vector<size_t> places;
  EventMarks marks(text, from);
  for (size_t at = marks.next(); at != EventMarks::npos; at = marks.next()) places.push_back(at);
  return places;
}

bool is_mark(std::string_view text, size_t at) {
  if (static_cast<unsigned char>(text[at]) < 0x20) return true;
  if (text[at] != '"' || at + 1 == text.size()) return false;
  return std::string_view("defgtu").find(text[at + 1]) != std::string_view::npos;
}

TEST(EventMarks, agree_with_a_plain_search_at_every_length_and_start) {
  const std::string pattern = "\"d\"f\"u\"x\n\r\t\"\"du\xff\x80 \"c\"e\"g\"h\"s\"t\"v\x1f";
  std::string whole;
  while (whole.size() < 200) whole += pattern + "filler";
  for (size_t size = 0; size <= whole.size(); ++size) {
    // A block of the exact size, so that a sanitizer sees a read outside.
    const std::unique_ptr<char[]> block(new char[size]);
    whole.copy(block.get(), size);
    const std::string_view text(block.get(), size);
    for (size_t from = 0; from <= size; ++from) {
      std::vector<size_t> expected;
      for (size_t at = from; at < size; ++at) {
        if (is_mark(text, at)) expected.push_back(at);
      }
      ASSERT_EQ(marks_of(text, from), expected) << size << " from " << from;
    }
  }
}

TEST(EventMarks, know_every_byte) {
  for (int c = 0; c < 256; ++c) {
    const std::string text = std::string(70, 'x') + static_cast<char>(c) + "u";
    EXPECT_EQ(!marks_of(text, 0).empty(), is_mark(text, 70)) << c;
    const std::string key = std::string(70, 'x') + "\"" + static_cast<char>(c);
    EXPECT_EQ(!marks_of(key, 0).empty(), is_mark(key, 70) || is_mark(key, 71)) << c;
  }
}

}  // namespace
}  // namespace sluice::usage
