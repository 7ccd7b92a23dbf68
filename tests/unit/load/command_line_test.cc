#include "command_line.h"

#include <gtest/gtest.h>

namespace sluice::load {
namespace {

CommandLine line_to(std::string target) {
  CommandLine line;
  line.target = std::move(target);
  return line;
}

TEST(ParseUrl, splits_host_port_and_path) {
  const auto url = parse_url("http://127.0.0.1:8080/base");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "127.0.0.1");
  EXPECT_EQ(url->authority, "127.0.0.1:8080");
  EXPECT_EQ(url->port, 8080);
  EXPECT_EQ(url->path, "/base");
  EXPECT_EQ(parse_url("http://[::1]:90")->host, "::1");
  EXPECT_EQ(parse_url("http://localhost")->port, 80);
}

TEST(ParseUrl, refuses_what_is_none) {
  for (const char* text : {"", "127.0.0.1:80", "https://a", "http://", "http://:80", "http://a:x",
                           "http://a:99999", "http://a:"}) {
    EXPECT_FALSE(parse_url(text)) << text;
  }
}

TEST(MakeBody, has_the_length_asked_for) {
  for (const size_t bytes : {200u, 700u, 10'000u}) {
    EXPECT_EQ(make_body("m", true, bytes).size(), bytes);
    EXPECT_EQ(make_body("m", false, bytes).size(), bytes);
  }
}

TEST(ToSettings, asks_the_simulated_server_for_the_shape) {
  CommandLine line = line_to("http://127.0.0.1:1");
  line.events = 100;
  line.interval_ms = 20;
  line.stamps = true;
  const auto settings = to_settings(line);
  ASSERT_TRUE(settings) << settings.error();
  const std::string request = render_request(*settings, settings->target.url);
  EXPECT_NE(request.find("x-sim-tokens: 100\r\n"), std::string::npos);
  EXPECT_NE(request.find("x-sim-tps: 50\r\n"), std::string::npos);
  EXPECT_NE(request.find("x-sim-ttft: 20000us\r\n"), std::string::npos);
  EXPECT_NE(request.find("x-sim-stamp: 1\r\n"), std::string::npos);
  EXPECT_TRUE(request.ends_with(settings->body));
}

TEST(ToSettings, names_the_option_that_is_wrong) {
  CommandLine line = line_to("ftp://x");
  EXPECT_TRUE(to_settings(line).error().starts_with("--target"));
  line = line_to("http://127.0.0.1:1");
  line.duration = "soon";
  EXPECT_TRUE(to_settings(line).error().starts_with("--duration"));
  line.duration = "1s";
  line.rate = "fast";
  EXPECT_TRUE(to_settings(line).error().starts_with("--rate"));
  line.rate = "0/s";
  EXPECT_TRUE(to_settings(line).error().starts_with("--rate"));
  line.rate = "2KiB/s";
  line.phase = "later";
  EXPECT_TRUE(to_settings(line).error().starts_with("--phase"));
  line.phase = "body";
  line.headers = {"no colon"};
  EXPECT_TRUE(to_settings(line).error().starts_with("--header"));
  line.headers = {"a: b\r\nc: d"};
  EXPECT_TRUE(to_settings(line).error().starts_with("--header"));
  line.headers = {"a: b"};
  const auto settings = to_settings(line);
  ASSERT_TRUE(settings) << settings.error();
  EXPECT_EQ(settings->bytes_per_second, 2048u);
}

}  // namespace
}  // namespace sluice::load
