#include "request_scan.h"

#include <string>

#include <gtest/gtest.h>

namespace sluice::canned {
namespace {

std::string post(std::string_view body, std::string_view more = "") {
  return "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n" + std::string(more) + "\r\n" + std::string(body);
}

TEST(RequestScan, a_post_is_read_to_its_end) {
  const std::string bytes = post(R"({"model":"m"})");
  const Request request = scan_request(bytes + "POST");
  EXPECT_EQ(request.state, Request::State::kComplete);
  EXPECT_TRUE(request.is_post);
  EXPECT_FALSE(request.wants_stream);
  EXPECT_EQ(request.bytes, bytes.size());
}

TEST(RequestScan, every_beginning_is_partial) {
  const std::string bytes = post(R"({"stream":true})");
  for (size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_EQ(scan_request(bytes.substr(0, i)).state, Request::State::kPartial) << i;
  }
}

TEST(RequestScan, what_a_stream_asks_for) {
  struct Case {
    std::string_view body;
    bool stream, usage;
  };
  for (const Case& each : {
           Case{R"({"stream":true})", true, false},
           Case{R"({"stream": true})", true, false},
           Case{R"({"stream":false})", false, false},
           Case{R"({"stream":true,"stream_options":{"include_usage":true}})", true, true},
           Case{R"({"stream":true,"stream_options":{"include_usage": false}})", true, false},
           Case{R"({"stream_options":{"include_usage":true}})", false, false},
           Case{R"({"content":"\"stream\":true"})", false, false},
           Case{R"({"stream":)", false, false},
       }) {
    const Request request = scan_request(post(each.body));
    EXPECT_EQ(request.wants_stream, each.stream) << each.body;
    EXPECT_EQ(request.wants_usage, each.usage) << each.body;
  }
}

TEST(RequestScan, a_long_body_need_not_be_there_whole) {
  const std::string bytes = post(std::string(300'000, 'x'));
  const size_t head = bytes.find("\r\n\r\n") + 4;
  EXPECT_EQ(scan_request(bytes.substr(0, head + kSearchBytesMax - 1)).state,
            Request::State::kPartial);
  const Request request = scan_request(bytes.substr(0, head + kSearchBytesMax));
  EXPECT_EQ(request.state, Request::State::kComplete);
  EXPECT_EQ(request.bytes, bytes.size());
}

TEST(RequestScan, gets) {
  const Request health = scan_request("GET /health HTTP/1.1\r\n\r\n");
  EXPECT_EQ(health.state, Request::State::kComplete);
  EXPECT_FALSE(health.is_post || health.is_stats);
  EXPECT_TRUE(scan_request("GET /stats HTTP/1.1\r\nhost: a\r\n\r\n").is_stats);
}

TEST(RequestScan, what_it_cannot_frame_is_refused) {
  EXPECT_EQ(scan_request(post("{}", "Transfer-Encoding: chunked\r\n")).state,
            Request::State::kRefused);
  EXPECT_EQ(scan_request(post("{}", "content-length: 3\r\n")).state, Request::State::kRefused);
  EXPECT_EQ(scan_request("POST / HTTP/1.1\r\ncontent-length: 1x\r\n\r\n").state,
            Request::State::kRefused);
  EXPECT_EQ(scan_request(std::string(kHeadBytesMax + 1, 'a')).state, Request::State::kRefused);
}

}  // namespace
}  // namespace sluice::canned
