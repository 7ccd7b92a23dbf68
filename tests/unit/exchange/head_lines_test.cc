#include "head_lines.h"

#include <string>

#include <gtest/gtest.h>

#include "counted_new.h"
#include "sim_clock.h"

namespace sluice::exchange {
namespace {

class HeadLinesTest : public testing::Test {
 protected:
  Generation& generation() {
    generation_ =
        std::make_unique<Generation>(snapshot_, metrics::SnapshotCells{},
                                     upstream::SnapshotPlaces{}, state_, ShardId{0}, clock_);
    return *generation_;
  }
  const http::RequestHead& head(std::string_view first, std::string_view fields) {
    text_ = std::string(first) + " HTTP/1.1\r\nhost: x\r\n" + std::string(fields) + "\r\n";
    parser_.reset();
    EXPECT_EQ(parser_.parse(text_), http::ParseState::kDone) << text_;
    return parser_.head();
  }
  void allow(const char* origin) {
    snapshot_.cors.enabled = true;
    snapshot_.cors.data_origins.allow = {origin};
  }

  config::Snapshot snapshot_;
  support::SimClock clock_;
  ShardState state_{1};
  std::unique_ptr<Generation> generation_;
  http::RequestParser parser_{http::HeadLimits{}};
  std::string text_;
};

TEST_F(HeadLinesTest, d086_no_answer_is_sniffed_and_only_tls_is_kept_for_later) {
  EXPECT_EQ(generation().shared_lines, "x-content-type-options: nosniff\r\n");
  snapshot_.tls.emplace().hsts = seconds(60);
  EXPECT_EQ(generation().shared_lines,
            "x-content-type-options: nosniff\r\nstrict-transport-security: max-age=60\r\n");
  snapshot_.tls->hsts = Duration::zero();
  EXPECT_EQ(generation().shared_lines, "x-content-type-options: nosniff\r\n");
}

TEST_F(HeadLinesTest, a_page_gets_lines_when_its_origin_is_allowed) {
  allow("https://a");
  const Generation& g = generation();
  const auto page = [&](std::string_view fields, bool is_readable = true) {
    return head_lines_for(g, head("GET /v1/models", fields), is_readable, "id").page;
  };
  EXPECT_TRUE(
      page("Origin: https://a\r\n").starts_with("access-control-allow-origin: https://a\r\n"));
  EXPECT_EQ(page("origin: https://a\r\n", false), "");
  EXPECT_EQ(page("origin: https://b\r\n"), "");
  EXPECT_EQ(page("origin:\r\n"), "");
  EXPECT_EQ(page(""), "");
  EXPECT_TRUE(g.shared_lines.ends_with("vary: origin\r\n"));
}

TEST_F(HeadLinesTest, nothing_is_allocated_for_a_page) {
  allow("https://chat.example.com:8443");
  snapshot_.cors.data_origins.deny = {"https://evil.example.com:8443"};
  const Generation& g = generation();
  for (const char* origin : {"chat", "evil", "some"}) {
    const auto& asked = head("OPTIONS /v1/models", "origin: https://" + std::string(origin) +
                                                       ".example.com:8443\r\n"
                                                       "access-control-request-method: GET\r\n");
    const uint64_t before = support::allocations;
    const HeadLines lines = head_lines_for(g, asked, true, "id");
    const bool asks = is_preflight(g, asked);
    const bool may = !g.origins.preflight_lines(asked.headers.find("origin")).empty();
    EXPECT_EQ(support::allocations, before);
    EXPECT_TRUE(asks);
    EXPECT_EQ(may, std::string_view(origin) == "chat");
    EXPECT_EQ(lines.page.empty(), !may);
  }
}

TEST_F(HeadLinesTest, a_preflight_has_the_method_the_origin_and_its_question) {
  constexpr std::string_view kOrigin = "origin: https://b\r\n";
  constexpr std::string_view kBoth = "origin: https://b\r\nAccess-Control-Request-Method: POST\r\n";
  EXPECT_FALSE(is_preflight(generation(), head("OPTIONS /livez", kBoth)));  // While they are off.
  allow("https://a");
  EXPECT_TRUE(is_preflight(generation(), head("OPTIONS /livez", kBoth)));
  EXPECT_FALSE(is_preflight(generation(), head("OPTIONS /livez", kOrigin)));
  EXPECT_FALSE(is_preflight(generation(), head("POST /livez", kBoth)));
  EXPECT_FALSE(is_preflight(generation(),
                            head("OPTIONS /livez", "access-control-request-method: POST\r\n")));
}

TEST_F(HeadLinesTest, what_an_upstream_says_to_browsers_is_known_in_every_spelling) {
  const auto is_known = [&](std::string_view name) {
    const auto& fields = head("GET /", std::string(name) + ": x\r\n").headers;
    return is_for_browsers(*++fields.begin());
  };
  for (const char* name :
       {"access-control-allow-origin", "Access-Control-Allow-Credentials", "ACCESS-CONTROL-MAX-AGE",
        "Access-control-expose-headers", "X-Content-Type-Options", "Strict-Transport-Security"}) {
    EXPECT_TRUE(is_known(name)) << name;
  }
  for (const char* name : {"vary", "content-type", "x-ratelimit-remaining-requests",
                           "proxy-authentication-info", "access-controls-of-another-kind"}) {
    EXPECT_FALSE(is_known(name)) << name;
  }
}

}  // namespace
}  // namespace sluice::exchange
