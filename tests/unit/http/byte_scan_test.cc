#include "byte_scan.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace sluice::http {
namespace {

// Goal: the vector versions agree with the table for every byte at every place, and read nothing
// outside their range (each text is an allocation of its own size, which sanitizers watch).
void expect_same(const ByteScan& fast, const std::string& text) {
  const std::vector<char> bytes(text.begin(), text.end());
  const char* begin = bytes.data();
  const char* end = begin + bytes.size();
  const ByteScan& slow = scalar_byte_scan();
  ASSERT_EQ(fast.token(begin, end) - begin, slow.token(begin, end) - begin) << text;
  ASSERT_EQ(fast.target(begin, end) - begin, slow.target(begin, end) - begin) << text;
  ASSERT_EQ(fast.value(begin, end) - begin, slow.value(begin, end) - begin) << text;
  ASSERT_EQ(fast.host(begin, end) - begin, slow.host(begin, end) - begin) << text;
  ASSERT_EQ(fast.line(begin, end) - begin, slow.line(begin, end) - begin) << text;
}

void expect_every_byte_everywhere(const ByteScan& fast) {
  for (size_t size = 0; size <= 70; ++size) {
    for (size_t place = 0; place < size; place += size > 40 ? 7 : 1) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text(size, 'a');
        text[place] = static_cast<char>(byte);
        expect_same(fast, text);
      }
    }
    expect_same(fast, std::string(size, '~'));
    expect_same(fast, std::string(size, '\n'));
  }
}

TEST(ByteScan, sse2_agrees_with_the_table) {
  const ByteScan* scan = sse2_byte_scan();
  if (scan == nullptr) return;
  expect_every_byte_everywhere(*scan);
}

TEST(ByteScan, avx2_agrees_with_the_table) {
  const ByteScan* scan = avx2_byte_scan();
  if (scan == nullptr) return;
  expect_every_byte_everywhere(*scan);
}

TEST(ByteScan, chosen_version_agrees_on_random_text) {
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::string text(random() % 100, '\0');
    for (char& c : text) c = static_cast<char>(random() % 40 == 0 ? random() : 'a' + random() % 26);
    expect_same(byte_scan(), text);
  }
}

}  // namespace
}  // namespace sluice::http
