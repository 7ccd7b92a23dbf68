#include <sluice/http/response_parser.h>

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "head_pieces.h"

namespace sluice::http {
namespace {

std::string describe(const ResponseHead& head) {
  std::string text = std::to_string(head.status);
  text += head.version == Version::kHttp11 ? "|1.1" : "|1.0";
  text += head.keep_alive ? "|keep" : "|close";
  switch (head.body.kind) {
    case BodyKind::kNone: text += "|none"; break;
    case BodyKind::kLength: text += "|" + std::to_string(head.body.length); break;
    case BodyKind::kChunked: text += "|chunked"; break;
    case BodyKind::kUntilClose: text += "|until close"; break;
  }
  for (const HeaderField field : head.headers) {
    text += "|" + std::string(field.name) + "=" + std::string(field.value);
  }
  return text + "|" + std::to_string(head.head_bytes);
}

std::string answer_everywhere(std::string_view input, AnswerTo request = AnswerTo::kOther,
                              HeadLimits limits = {}) {
  return outcome_of_all_cuts(input, [&](const std::vector<size_t>& cuts) {
    ResponseParser parser(limits, request);
    HeadPieces pieces;
    switch (pieces.feed(parser, input, cuts)) {
      case ParseState::kNeedMore: return std::string("more");
      case ParseState::kDone: return describe(parser.head());
      case ParseState::kError: break;
    }
    EXPECT_EQ(parser.error().code, ErrorCode::kUpstreamProtocol);
    EXPECT_EQ(parser.error().side, Side::kUpstream);
    return "error " + std::string(parser.error().detail);
  });
}

TEST(ResponseParser, good_heads_are_read_the_same_however_they_are_cut) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "200|1.1|keep|2|Content-Length=2|38"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200|1.1|keep|chunked|"},
      {"HTTP/1.1 200 OK\r\n\r\n", "200|1.1|close|until close|"},
      {"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200|1.1|keep|0|"},
      {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200|1.1|keep|0|"},
      {"HTTP/1.1 404 Not \tF\xc3\xa4und\r\nContent-Length: 0\r\n\r\n", "404|1.1|keep|0|"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "200|1.1|close|0|"},
      {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "200|1.0|close|0|"},
      {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", "200|1.0|keep|0|"},
      {"HTTP/1.1 204 No Content\r\n\r\n", "204|1.1|keep|none|"},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "204|1.1|keep|none|"},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "304|1.1|keep|none|"},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "100|1.1|keep|none|25"},
      {"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", "103|1.1|keep|none|"},
      {"HTTP/1.1 599 x\r\nContent-Length: 0\r\n\r\n", "599|1.1|keep|0|"},
  };
  for (const auto& [input, described] : cases) {
    const std::string text = answer_everywhere(input);
    EXPECT_TRUE(text.starts_with(described)) << input << "\n" << text;
  }
}

TEST(ResponseParser, bad_heads_are_refused_the_same_however_they_are_cut) {
  const std::string_view cases[] = {
      "\r\nHTTP/1.1 200 OK\r\n\r\n",
      "HTTP/2.0 200 OK\r\n\r\n",
      "HTTP/1.2 200 OK\r\n\r\n",
      "http/1.1 200 OK\r\n\r\n",
      "ICY 200 OK\r\n\r\n",
      "HTTP/1.1  200 OK\r\n\r\n",
      "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 2000 OK\r\n\r\n",
      "HTTP/1.1 099 OK\r\n\r\n",
      "HTTP/1.1 600 OK\r\n\r\n",
      "HTTP/1.1 -20 OK\r\n\r\n",
      "HTTP/1.1 200\tOK\r\n\r\n",
      "HTTP/1.1 200 O\x01K\r\n\r\n",
      "HTTP/1.1 200 OK\n\r\n",
      "HTTP/1.1 200 OK\rX\r\n\r\n",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
      "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n",
      "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
      "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
      "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n",
  };
  for (const std::string_view input : cases) {
    EXPECT_TRUE(answer_everywhere(input).starts_with("error ")) << input;
  }
}

TEST(ResponseParser, a_head_request_is_answered_without_a_body) {
  EXPECT_TRUE(answer_everywhere("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", AnswerTo::kHead)
                  .starts_with("200|1.1|keep|none|"));
  EXPECT_TRUE(
      answer_everywhere("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", AnswerTo::kHead)
          .starts_with("200|1.1|keep|none|"));
  EXPECT_TRUE(answer_everywhere("HTTP/1.1 200 OK\r\n\r\n", AnswerTo::kHead)
                  .starts_with("200|1.1|keep|none|"));
}

TEST(ResponseParser, interim_heads_are_reported_and_the_answer_follows) {
  const std::string interim = "HTTP/1.1 100 Continue\r\nX: 1\r\n\r\n";
  const std::string input = interim + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  ResponseParser parser({});
  ASSERT_EQ(parser.parse(input), ParseState::kDone);
  ASSERT_TRUE(parser.head().is_interim());
  EXPECT_EQ(parser.head().head_bytes, interim.size());
  parser.reset(AnswerTo::kOther);
  ASSERT_EQ(parser.parse(std::string_view(input).substr(interim.size())), ParseState::kDone);
  EXPECT_FALSE(parser.head().is_interim());
  EXPECT_EQ(parser.head().status, 200);
  EXPECT_EQ(parser.head().headers.size(), 1u);
}

TEST(ResponseParser, the_head_is_bounded) {
  const std::string input = "HTTP/1.1 200 OK\r\nX: 1\r\nX: 2\r\n\r\n";
  const auto bytes = static_cast<uint32_t>(input.size());
  EXPECT_TRUE(answer_everywhere(input, AnswerTo::kOther, {bytes, 2}).starts_with("200"));
  EXPECT_TRUE(answer_everywhere(input, AnswerTo::kOther, {bytes - 1, 2}).starts_with("error"));
  EXPECT_TRUE(answer_everywhere(input, AnswerTo::kOther, {bytes, 1}).starts_with("error"));
}

TEST(ResponseParser, views_follow_a_head_that_was_copied) {
  std::string original = "HTTP/1.1 200 OK\r\nX-Request-Id: 42\r\n\r\n";
  ResponseParser parser({});
  ASSERT_EQ(parser.parse(original), ParseState::kDone);
  const std::string copy = original;
  parser.head().rebase(original.data(), copy.data());
  original.assign(original.size(), '!');
  EXPECT_EQ(parser.head().headers.find(HeaderName::kXRequestId), "42");
}

}  // namespace
}  // namespace sluice::http
