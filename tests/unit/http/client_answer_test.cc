#include "client_answer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::http {
namespace {

constexpr size_t kBytesMax = 4096;

// The body, or what was wrong; "..." when more would have to come.
std::string read(const std::vector<std::string>& pieces, bool ends = false,
                 size_t bytes_max = kBytesMax) {
  ClientAnswerReader reader(bytes_max);
  for (const std::string& piece : pieces) {
    const Result<bool> is_whole = reader.take(piece);
    if (!is_whole) return "! " + std::string(is_whole.error().detail);
    if (*is_whole) return std::to_string(reader.answer().status) + " " + reader.answer().body;
  }
  if (ends && reader.take_end()) {
    return std::to_string(reader.answer().status) + " " + reader.answer().body;
  }
  return "...";
}

std::vector<std::string> each_byte(const std::string& text) {
  std::vector<std::string> pieces;
  for (const char c : text) pieces.emplace_back(1, c);
  return pieces;
}

struct Case {
  std::string text;
  std::string expected;
};

const Case kWhole[] = {
    {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", "200 hi"},
    {"HTTP/1.1 204 No Content\r\n\r\n", "204 "},
    {"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "404 "},
    {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n",
     "200 abcd"},
    {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\ntrailer: x\r\n\r\n", "200 "},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\na: b\r\n\r\n"
     "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx",
     "200 x"},
};

TEST(ClientAnswerReader, whole_answers_in_any_cut) {
  for (const Case& one : kWhole) {
    EXPECT_EQ(read({one.text}), one.expected) << one.text;
    EXPECT_EQ(read(each_byte(one.text)), one.expected) << one.text;
    for (size_t cut = 1; cut < one.text.size(); ++cut) {
      EXPECT_EQ(read({one.text.substr(0, cut), one.text.substr(cut)}), one.expected);
      EXPECT_EQ(read({one.text.substr(0, cut)}, true), "...") << cut;
    }
  }
}

TEST(ClientAnswerReader, without_a_length_the_end_of_the_connection_is_that_of_the_answer) {
  EXPECT_EQ(read({"HTTP/1.1 200 OK\r\n\r\nabc", "def"}), "...");
  EXPECT_EQ(read({"HTTP/1.1 200 OK\r\n\r\nabc", "def"}, true), "200 abcdef");
}

TEST(ClientAnswerReader, what_breaks_http_or_a_bound_is_refused) {
  EXPECT_TRUE(read({"hello there, this is no answer\r\n\r\n"}).starts_with("!"));
  EXPECT_TRUE(read({"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"})
                  .starts_with("!"));
  EXPECT_TRUE(
      read({"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"}).starts_with("!"));
  EXPECT_EQ(read({"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n"}), "! the answer is too long");
  EXPECT_EQ(read({"HTTP/1.1 200 OK\r\n\r\n", std::string(5000, 'x')}), "! the answer is too long");
  EXPECT_TRUE(read({"HTTP/1.1 200 OK\r\na: " + std::string(100'000, 'x')}, false, 1 << 20)
                  .starts_with("!"));
}

TEST(ClientAnswerReader, a_connection_lives_on_only_behind_an_exact_end) {
  const auto keeps = [](const std::string& text) {
    ClientAnswerReader reader(kBytesMax);
    EXPECT_TRUE(reader.take(text).value_or(false)) << text;
    return reader.keeps_alive();
  };
  EXPECT_TRUE(keeps("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"));
  EXPECT_FALSE(keeps("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi and more"));
  EXPECT_FALSE(keeps("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi"));
  EXPECT_FALSE(keeps("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi"));
}

TEST(ClientAnswerReader, the_shortest_age_that_is_said) {
  ClientAnswerReader reader(kBytesMax);
  ASSERT_TRUE(reader
                  .take("HTTP/1.1 200 OK\r\ncache-control: public, Max-Age=60\r\n"
                        "cache-control: max-age=30\r\ncontent-type: application/json\r\n"
                        "content-length: 0\r\n\r\n")
                  .value_or(false));
  EXPECT_EQ(reader.answer().max_age, seconds(30));
  EXPECT_EQ(reader.answer().content_type, "application/json");
}

TEST(ReadMaxAge, directives) {
  EXPECT_EQ(read_max_age(""), std::nullopt);
  EXPECT_EQ(read_max_age("private"), std::nullopt);
  EXPECT_EQ(read_max_age("max-age=5"), seconds(5));
  EXPECT_EQ(read_max_age("max-age=0"), Duration::zero());
  EXPECT_EQ(read_max_age("no-store, max-age=5"), Duration::zero());
  EXPECT_EQ(read_max_age("max-age=-5"), std::nullopt);
  EXPECT_EQ(read_max_age("max-age=5x"), std::nullopt);
  EXPECT_EQ(read_max_age("max-age="), std::nullopt);
  EXPECT_EQ(read_max_age("max-age=99999999999999999999999"), seconds(365 * 86'400));
  EXPECT_EQ(read_max_age("max-age=9, max-age=4"), seconds(4));
}

}  // namespace
}  // namespace sluice::http
