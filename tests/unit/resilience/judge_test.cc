#include <sluice/resilience/judge.h>

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "attempts.h"

namespace sluice::resilience {

static void PrintTo(const Judgement& judgement, std::ostream* out) {
  *out << "verdict " << static_cast<int>(judgement.verdict) << " retry " << judgement.may_retry
       << " cooldown " << judgement.cooldown.count() << " ns";
}

namespace {

constexpr Judgement kNothingButRetry{.verdict = Verdict::kNothing, .may_retry = true};
constexpr Judgement kFailureForGood{.verdict = Verdict::kFailure};
constexpr Judgement kFailureAndRetry{.verdict = Verdict::kFailure, .may_retry = true};

const config::CooldownSettings kJudged{.after_429 = seconds(5), .max = seconds(60)};

TEST(Judge, d030_d031_d110_a_mistake_of_the_client_counts_for_nothing) {
  for (uint16_t status = 400; status <= 499; ++status) {
    const bool is_ours = status == 401 || status == 402 || status == 408 || status == 425;
    if (is_ours || status == 429) continue;
    EXPECT_EQ(judge(answered(status), kJudged), kNothing) << status;
  }
}

TEST(Judge, d030_a_refused_credential_is_the_operators) {
  EXPECT_EQ(judge(answered(401), kJudged), kFailureAndRetry);
  EXPECT_EQ(judge(answered(402), kJudged), kFailureAndRetry);
}

TEST(Judge, d113_every_5xx_counts_but_what_speaks_of_the_request) {
  for (uint16_t status = 500; status <= 599; ++status) {
    if (status == 501 || status == 505 || status == 529) continue;
    EXPECT_EQ(judge(answered(status), kJudged), kFailureAndRetry) << status;
  }
  EXPECT_EQ(judge(answered(501), kJudged), kNothing);
  EXPECT_EQ(judge(answered(505), kJudged), kNothing);
}

TEST(Judge, other_statuses) {
  EXPECT_EQ(judge(answered(200), kJudged), kSuccess);
  EXPECT_EQ(judge(answered(299), kJudged), kSuccess);
  EXPECT_EQ(judge(answered(302), kJudged), kNothing);
  EXPECT_EQ(judge(answered(408), kJudged), kNothingButRetry);
  EXPECT_EQ(judge(answered(425), kJudged), kNothingButRetry);
  EXPECT_EQ(judge(answered(600), kJudged), kNothing);
}

TEST(Judge, overload_rests_the_deployment_for_as_long_as_it_asks) {
  for (const uint16_t status : std::to_array<uint16_t>({429, 529})) {
    AttemptEnd end = answered(status);
    EXPECT_EQ(judge(end, kJudged), overloaded(seconds(5)));
    end.retry_after = seconds(7);
    EXPECT_EQ(judge(end, kJudged), overloaded(seconds(7)));
    end.retry_after = seconds(86'400);
    EXPECT_EQ(judge(end, kJudged), overloaded(seconds(60)));
    end.retry_after = seconds(0);
    EXPECT_EQ(judge(end, kJudged), overloaded(seconds(0)));
  }
}

TEST(Judge, a_503_rests_only_when_it_asks_for_it) {
  AttemptEnd end = answered(503);
  EXPECT_EQ(judge(end, kJudged), kFailureAndRetry);
  end.retry_after = seconds(90);
  Judgement rest = kFailureAndRetry;
  rest.cooldown = seconds(60);
  EXPECT_EQ(judge(end, kJudged), rest);
}

TEST(Judge, d113_what_goes_wrong_on_the_way_to_the_upstream_counts) {
  for (const ErrorCode code :
       {ErrorCode::kUpstreamConnect, ErrorCode::kConnectTimeout, ErrorCode::kUpstreamTls,
        ErrorCode::kUpstreamProtocol, ErrorCode::kUpstreamTimeout, ErrorCode::kFirstTokenTimeout,
        ErrorCode::kUpstreamLost, ErrorCode::kUpstreamStalled, ErrorCode::kUpstreamStatus}) {
    EXPECT_EQ(judge(failed(code), kJudged), kFailureAndRetry) << to_string(code);
  }
  EXPECT_EQ(judge(failed(ErrorCode::kTotalTimeout), kJudged), kFailureForGood);
}

TEST(Judge, d113_what_is_not_the_upstreams_fault_counts_for_nothing) {
  for (uint8_t code = 0; code <= static_cast<uint8_t>(ErrorCode::kConfig); ++code) {
    for (const Side side : {Side::kDownstream, Side::kSelf}) {
      EXPECT_EQ(judge(failed(static_cast<ErrorCode>(code), side), kJudged), kNothing)
          << to_string(static_cast<ErrorCode>(code));
    }
  }
  EXPECT_EQ(judge(failed(ErrorCode::kCancelled), kJudged), kNothing);
}

TEST(Judge, d030_a_clock_that_a_client_made_short_counts_for_nothing) {
  for (const ErrorCode code : {ErrorCode::kConnectTimeout, ErrorCode::kUpstreamTimeout,
                               ErrorCode::kFirstTokenTimeout, ErrorCode::kUpstreamStalled}) {
    AttemptEnd end = failed(code);
    end.had_short_clock = true;
    EXPECT_EQ(judge(end, kJudged), kNothingButRetry) << to_string(code);
  }
  AttemptEnd end = failed(ErrorCode::kTotalTimeout);
  end.had_short_clock = true;
  EXPECT_EQ(judge(end, kJudged), kNothing);
  end = failed(ErrorCode::kUpstreamConnect);
  end.had_short_clock = true;
  EXPECT_EQ(judge(end, kJudged), kFailureAndRetry) << "no clock ran out";
}

TEST(Judge, a_kept_connection_that_dies_without_a_byte_counts_for_nothing) {
  AttemptEnd end = failed(ErrorCode::kUpstreamLost);
  end.used_pooled_connection = true;
  EXPECT_TRUE(is_reuse_race(end));
  EXPECT_EQ(judge(end, kJudged), kNothingButRetry);
  end.has_received_bytes = true;
  EXPECT_FALSE(is_reuse_race(end));
  EXPECT_EQ(judge(end, kJudged), kFailureAndRetry);
  end = failed(ErrorCode::kUpstreamTimeout);
  end.used_pooled_connection = true;
  EXPECT_FALSE(is_reuse_race(end)) << "it may be at work on it";
  EXPECT_FALSE(is_reuse_race(answered(200)));
}

TEST(Judge, a_stream_that_breaks_behind_its_head_is_a_failure) {
  AttemptEnd end = failed(ErrorCode::kUpstreamLost);
  end.status = 200;
  end.has_received_bytes = true;
  EXPECT_EQ(judge(end, kJudged), kFailureAndRetry);
}

config::CooldownSettings with_rules(std::vector<config::FailureRule> rules) {
  config::CooldownSettings settings = kJudged;
  settings.rules = std::move(rules);
  return settings;
}

TEST(JudgeByRule, a_part_of_the_body_makes_an_answer_a_failure) {
  const auto settings = with_rules({{.status_min = 400,
                                     .status_max = 499,
                                     .body = "model is loading",
                                     .cooldown = seconds(30)}});
  Judgement rest = kFailureAndRetry;
  rest.cooldown = seconds(30);
  EXPECT_EQ(judge(answered(404, R"({"error":"the model is loading"})"), settings), rest);
  EXPECT_EQ(judge(answered(404, R"({"error":"The Model Is Loading"})"), settings), kNothing);
  EXPECT_EQ(judge(answered(404, "model is"), settings), kNothing);
  EXPECT_EQ(judge(answered(404), settings), kNothing);
  EXPECT_EQ(judge(answered(500, "model is loading"), settings), kFailureAndRetry);
}

TEST(JudgeByRule, the_first_that_matches_decides_alone) {
  const auto settings = with_rules({
      {.status_min = 503, .status_max = 503, .body = "warm", .counts = false},
      {.status_min = 503, .status_max = 503, .retries = false},
      {.status_min = 500, .status_max = 599, .cooldown = seconds(9)},
  });
  EXPECT_EQ(judge(answered(503, "warming up"), settings), kNothingButRetry);
  EXPECT_EQ(judge(answered(503, "else"), settings), kFailureForGood);
  EXPECT_EQ(judge(answered(502), settings).cooldown, seconds(9));
}

// Whether it retries, counts and rests are three settings; all eight mixtures mean something.
TEST(JudgeByRule, each_mixture_of_settings) {
  for (uint32_t bits = 0; bits < 8; ++bits) {
    const config::FailureRule rule{.status_min = 429,
                                   .status_max = 429,
                                   .retries = (bits & 1) != 0,
                                   .counts = (bits & 2) != 0,
                                   .cooldown = (bits & 4) != 0 ? seconds(3) : seconds(0)};
    AttemptEnd end = answered(429);
    end.retry_after = seconds(50);  // The rule's word is the last.
    const Judgement judgement = judge(end, with_rules({rule}));
    EXPECT_EQ(judgement.may_retry, rule.retries);
    EXPECT_EQ(judgement.cooldown, rule.cooldown);
    EXPECT_EQ(judgement.verdict, rule.counts                  ? Verdict::kFailure
                                 : rule.cooldown > seconds(0) ? Verdict::kOverloaded
                                                              : Verdict::kNothing);
  }
}

TEST(JudgeByRule, rules_do_not_touch_errors) {
  const auto settings = with_rules({{.status_min = 0, .status_max = 999, .counts = false}});
  EXPECT_EQ(judge(failed(ErrorCode::kUpstreamConnect), settings), kFailureAndRetry);
}

// D36: the answer is the status's, whatever the body's form.
TEST(JudgeByRule, d036_bodies_of_any_form) {
  const auto settings = with_rules({{.status_min = 400, .status_max = 599, .body = "overload"}});
  const std::string binary("\0\xff\x1f\x8b overload \0", 15);
  for (const std::string_view body :
       {std::string_view(R"({"type":"error","error":{"type":"overloaded_error"}})"),
        std::string_view(R"([{"error":{"code":503,"message":"overload"}}])"),
        std::string_view("<error>overload</error>"), std::string_view("overload"),
        std::string_view(binary)}) {
    EXPECT_EQ(judge(answered(400, body), settings), kFailureAndRetry) << body;
  }
  EXPECT_EQ(judge(answered(400, ""), settings), kNothing);
  EXPECT_EQ(judge(answered(500, ""), settings), kFailureAndRetry);
}

TEST(NeedsBody, only_where_a_rule_would_look) {
  const auto settings = with_rules({
      {.status_min = 404, .status_max = 404},
      {.status_min = 400, .status_max = 499, .body = "loading"},
  });
  EXPECT_FALSE(needs_body(404, settings)) << "decided before";
  EXPECT_TRUE(needs_body(400, settings));
  EXPECT_TRUE(needs_body(499, settings));
  EXPECT_FALSE(needs_body(500, settings));
  EXPECT_FALSE(needs_body(200, settings));
  EXPECT_FALSE(needs_body(400, kJudged));
}

}  // namespace
}  // namespace sluice::resilience
