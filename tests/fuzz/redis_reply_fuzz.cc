// Replies are what their bytes say, to the letter, however the bytes are cut; an error stays one.

#include <algorithm>

#include "fuzz_pieces.h"
#include "reply_reader.h"  // tidy: allow(private-header) the client has no other way in for bytes

namespace {

using namespace sluice;
using fuzz::expect;
using store::RedisReply;

struct Reading {
  std::vector<RedisReply> replies;
  std::string_view error;
};

Reading read(std::string_view text, std::vector<size_t> cuts) {
  Reading reading;
  store::ReplyReader reader;
  cuts.push_back(text.size());
  size_t begin = 0;
  for (const size_t end : cuts) {
    const std::vector<char> piece = fuzz::copy_of(text.substr(begin, end - begin));
    begin = end;
    reader.feed(fuzz::view_of(piece));
    for (;;) {
      auto reply = reader.next();
      if (!reply) {
        reading.error = reply.error();
        expect(!reader.next().has_value(), "an error stays one");
        return reading;
      }
      if (!*reply) break;
      reading.replies.push_back(*std::move(*reply));
    }
  }
  return reading;
}

bool is_equal(const RedisReply& left, const RedisReply& right) {
  return left.kind == right.kind && left.integer == right.integer && left.text == right.text &&
         std::ranges::equal(left.items, right.items, is_equal);
}

bool take(std::string_view& text, const std::string& wanted) {
  if (!text.starts_with(wanted)) return false;
  text.remove_prefix(wanted.size());
  return true;
}

// Takes the bytes of `reply` off `text`, where they must stand.
bool take_reply(std::string_view& text, const RedisReply& reply, int depth) {
  expect(depth <= 8, "replies are no deeper than the reader's stack");
  switch (reply.kind) {
    case RedisReply::Kind::kNil: return take(text, "$-1\r\n") || take(text, "*-1\r\n");
    case RedisReply::Kind::kStatus: return take(text, "+" + reply.text + "\r\n");
    case RedisReply::Kind::kError: return take(text, "-" + reply.text + "\r\n");
    case RedisReply::Kind::kInteger:
      return take(text, ":" + std::to_string(reply.integer) + "\r\n");
    case RedisReply::Kind::kText:
      return take(text, "$" + std::to_string(reply.text.size()) + "\r\n" + reply.text + "\r\n");
    case RedisReply::Kind::kList:
      return take(text, "*" + std::to_string(reply.items.size()) + "\r\n") &&
             std::ranges::all_of(reply.items, [&](const RedisReply& item) {
               return take_reply(text, item, depth + 1);
             });
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const fuzz::Pieces pieces = fuzz::make_pieces(bytes, size);
  if (pieces.text.empty()) return 0;
  const Reading whole = read(pieces.text, {});
  const Reading split = read(pieces.text, pieces.cuts);
  expect(std::ranges::equal(whole.replies, split.replies, is_equal),
         "the cuts do not change the replies");
  expect(whole.error == split.error, "the cuts do not change the error");
  std::string_view rest = pieces.text;
  for (const RedisReply& reply : whole.replies) {
    expect(take_reply(rest, reply, 0), "a reply is what its bytes say");
  }
  return 0;
}
