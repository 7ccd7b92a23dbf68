#include "reply_reader.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::store {
namespace {

using Kind = RedisReply::Kind;

// A reply in a few letters.
std::string show(const RedisReply& reply) {
  switch (reply.kind) {
    case Kind::kNil: return "nil";
    case Kind::kStatus: return "+" + reply.text;
    case Kind::kError: return "-" + reply.text;
    case Kind::kInteger: return std::to_string(reply.integer);
    case Kind::kText: return "'" + reply.text + "'";
    case Kind::kList: break;
  }
  std::string text = "[";
  for (const RedisReply& item : reply.items) text += show(item) + " ";
  return text + "]";
}

struct Outcome {
  std::string shown;
  std::string error;
};

Outcome read(std::string_view text, size_t cut) {
  ReplyReader reader;
  Outcome outcome;
  for (const std::string_view piece : {text.substr(0, cut), text.substr(cut)}) {
    reader.feed(piece);
    for (;;) {
      const auto reply = reader.next();
      if (!reply) {
        outcome.error = std::string(reply.error());
        return outcome;
      }
      if (!*reply) break;
      outcome.shown += show(**reply) + ";";
    }
  }
  return outcome;
}

struct Case {
  std::string_view text;
  std::string_view shown;
  std::string_view error;
};

constexpr std::string_view kNone = "it does not speak Redis' protocol";

const Case kCases[] = {
    {"+OK\r\n", "+OK;", ""},
    {"-ERR no\r\n", "-ERR no;", ""},
    {":-42\r\n", "-42;", ""},
    {":9223372036854775807\r\n", "9223372036854775807;", ""},
    {"$3\r\na\r\n\r\n", "'a\r\n';", ""},
    {"$0\r\n\r\n", "'';", ""},
    {"$-1\r\n", "nil;", ""},
    {"*-1\r\n", "nil;", ""},
    {"*0\r\n", "[];", ""},
    {"*2\r\n:1\r\n*2\r\n$1\r\nx\r\n$-1\r\n+OK\r\n", "[1 ['x' nil ] ];+OK;", ""},
    {"*2\r\n*1\r\n-bad\r\n:7\r\n", "[[-bad ] 7 ];", ""},
    {"*7\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "", ""},
    {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "[[[[[[[1 ] ] ] ] ] ] ];", ""},
    {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "", kNone},
    {":12a\r\n", "", kNone},
    {":99999999999999999999\r\n", "", kNone},
    {"$-2\r\n", "", kNone},
    {"*-2\r\n", "", kNone},
    {"$x\r\n", "", kNone},
    {"$3\r\nabcd\r\n", "", kNone},
    {"HTTP/1.1 200 OK\r\n", "", kNone},
    {"\r\n", "", kNone},
    {"%1\r\n+a\r\n+b\r\n", "", kNone},  // RESP3, which nobody asked for.
    {"+first\r\n?\r\n", "+first;", kNone},
    {"*65537\r\n", "", "a reply has too many items"},
    {"*2\r\n*40000\r\n", "", ""},
};

TEST(ReplyReader, replies_are_the_same_however_they_are_cut) {
  for (const Case& wanted : kCases) {
    for (size_t cut = 0; cut <= wanted.text.size(); ++cut) {
      SCOPED_TRACE(std::string(wanted.text) + " cut at " + std::to_string(cut));
      const Outcome outcome = read(wanted.text, cut);
      EXPECT_EQ(outcome.shown, wanted.shown);
      EXPECT_EQ(outcome.error, wanted.error);
    }
  }
}

TEST(ReplyReader, items_of_all_lists_of_a_reply_are_bounded_together) {
  ReplyReader reader;
  reader.feed("*2\r\n*40000\r\n");
  std::string items;
  for (int i = 0; i < 40000; ++i) items += ":1\r\n";
  reader.feed(items);
  EXPECT_TRUE(reader.next().has_value());
  reader.feed("*40000\r\n");
  const auto reply = reader.next();
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error(), "a reply has too many items");
}

TEST(ReplyReader, items_of_another_reply_do_not_count) {
  ReplyReader reader;
  std::string reply = "*1000\r\n";
  for (int i = 0; i < 1000; ++i) reply += ":1\r\n";
  for (int i = 0; i < 100; ++i) {
    reader.feed(reply);
    const auto read = reader.next();
    ASSERT_TRUE(read.has_value() && read->has_value()) << i;
  }
}

// Feeds pieces of 16 KiB until an error comes; the bytes that were fed.
size_t feed_until_error(std::string_view start, std::string* error) {
  ReplyReader reader;
  reader.feed(start);
  const std::string piece(16384, '1');
  for (size_t fed = start.size(); fed < (8u << 20); fed += piece.size()) {
    const auto reply = reader.next();
    if (!reply) {
      *error = std::string(reply.error());
      return fed;
    }
    reader.feed(piece);
  }
  return 0;
}

TEST(ReplyReader, what_does_not_end_is_cut_off) {
  std::string error;
  EXPECT_LE(feed_until_error("$8000000\r\n", &error), ReplyReader::kReplyBytesMost + 32768);
  EXPECT_EQ(error, "a reply is too long");
  for (const char* start : {"+", "-", ":", "*", "$"}) {
    EXPECT_LE(feed_until_error(start, &error), ReplyReader::kLineBytesMost + 32768) << start;
    EXPECT_EQ(error, "a line of a reply is too long");
  }
}

TEST(ReplyReader, many_replies_in_a_row_are_each_bounded_and_not_together) {
  ReplyReader reader;
  const std::string reply = "$15000\r\n" + std::string(15000, 'x') + "\r\n";
  for (int i = 0; i < 1000; ++i) {
    reader.feed(reply);
    const auto read = reader.next();
    ASSERT_TRUE(read.has_value() && read->has_value());
  }
}

}  // namespace
}  // namespace sluice::store
