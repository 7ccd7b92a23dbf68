#include <sluice/usage/token_estimate.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace sluice::usage {
namespace {

// A text and the bytes to a token that its estimate must lie between.
struct Sample {
  const char* name;
  std::string text;
  double bytes_min;
  double bytes_max;
};

std::vector<Sample> samples() {
  return {
      {"english",
       "The ferry left the harbour late that evening, because the captain would not sail before "
       "the fog had lifted. Most of the passengers waited inside, drinking tea and talking about "
       "the weather, while two children counted gulls on the pier.",
       3.6, 4.8},
      {"german",
       "Die Fähre verließ den Hafen an jenem Abend später als üblich, weil der Kapitän nicht "
       "auslaufen wollte, bevor sich der Nebel gelichtet hatte. Die meisten Fahrgäste warteten "
       "drinnen bei einer Tasse Tee.",
       3.2, 4.8},
      {"russian",
       "Паром вышел из гавани поздно вечером, потому что капитан не хотел отплывать, пока не "
       "рассеется туман. Большинство пассажиров ждали внутри и пили чай.",
       2.5, 4.5},
      {"chinese",
       "那天晚上渡轮很晚才离开港口,因为船长不愿在雾散之前启航。大多数乘客在里面喝茶聊天。", 2.5,
       4.0},
      {"japanese", "その夜、霧が晴れるまで船長が出航を望まなかったため、フェリーは遅れて港を出た。",
       2.5, 4.0},
      {"korean", "그날 저녁 안개가 걷히기 전에는 선장이 출항하려 하지 않아 배가 늦게 떠났다.", 2.5,
       4.0},
      {"code",
       "for (size_t i = 0; i < rows.size(); ++i) {\n  if (!rows[i].is_open()) continue;\n"
       "  total += rows[i].take(kStepsMax, deadline);\n}\nreturn total > 0 ? total : -1;\n",
       2.2, 4.0},
      {"json", R"({"id":17,"name":"harbour","open":true,"gates":[{"no":1,"width":12.5},{"no":2}]})",
       1.7, 3.2},
      {"emoji", "😀😀🚢🌊🌊🐦😀🚢", 1.5, 4.0},
      {"base64",
       "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E",
       1.3, 2.6},
  };
}

TEST(PromptEstimate, each_script_lies_in_its_band) {
  for (const Sample& sample : samples()) {
    const auto tokens = static_cast<double>(estimate_prompt(sample.text));
    const double bytes = static_cast<double>(sample.text.size()) / tokens;
    EXPECT_GE(bytes, sample.bytes_min) << sample.name;
    EXPECT_LE(bytes, sample.bytes_max) << sample.name;
  }
}

TEST(PromptEstimate, empty_is_nothing_and_anything_else_at_least_one) {
  EXPECT_EQ(estimate_prompt(""), 0u);
  EXPECT_EQ(estimate_prompt("a"), 1u);
  EXPECT_EQ(estimate_prompt("\x80\x80"), 1u);
  EXPECT_EQ(estimate_prompt(std::string(3, '\0')), 1u);
}

TEST(PromptEstimate, an_escape_counts_as_the_character_it_stands_for) {
  std::string plain;
  std::string escaped;
  for (int i = 0; i < 300; ++i) {
    plain += "\u0433\u6e2f\U0001F6A2";
    escaped += "\\u0433\\u6E2f\\ud83d\\uDEA2";
  }
  EXPECT_EQ(estimate_prompt(plain), estimate_prompt(escaped));
}

TEST(PromptEstimate, what_only_begins_like_an_escape_does_no_harm) {
  for (const char* text : {"\\u", "\\u12", "\\u12g4", "\\uzzzz", "\\\\u", "\\u\\u\\u"}) {
    for (size_t front = 0; front < 140; ++front) {
      const std::string padded = std::string(front, 'a') + text;
      const uint64_t tokens = estimate_prompt(padded);
      EXPECT_GE(tokens, 1u);
      EXPECT_LE(tokens, padded.size());
    }
  }
}

TEST(PromptEstimate, where_a_chunk_ends_changes_nothing) {
  const std::string text = samples()[2].text + "\\u0433\\u0433";
  const uint64_t alone = estimate_prompt(text);
  for (size_t front = 1; front <= 300; ++front) {
    // What stands in front is worth nothing.
    EXPECT_EQ(estimate_prompt(std::string(front, '\x80') + text), alone) << front;
  }
}

TEST(PromptEstimate, a_long_body_is_sampled_within_five_percent) {
  for (const Sample& sample : samples()) {
    std::string body;
    while (body.size() <= kWholeBytes * 20) body += sample.text;
    double whole = 0;
    for (size_t at = 0; at < body.size(); at += kWholeBytes) {
      whole += static_cast<double>(estimate_prompt(std::string_view(body).substr(at, kWholeBytes)));
    }
    const auto sampled = static_cast<double>(estimate_prompt(body));
    EXPECT_NEAR(sampled / whole, 1, 0.05) << sample.name;
  }
}

TEST(PromptEstimate, a_body_just_above_the_bound_is_near_one_just_below) {
  const std::string below(kWholeBytes, 'a');
  const auto tokens = static_cast<double>(estimate_prompt(below));
  EXPECT_NEAR(static_cast<double>(estimate_prompt(below + "a")), tokens, 2);
}

TEST(PromptCalibration, it_learns_what_the_model_reports) {
  PromptCalibration calibration;
  EXPECT_EQ(calibration.apply(1000), 1000u);
  for (int i = 0; i < 200; ++i) calibration.observe(1000, 1300);
  EXPECT_NEAR(calibration.factor(), 1.3, 0.01);
  EXPECT_NEAR(static_cast<double>(calibration.apply(2000)), 2600, 20);
}

TEST(PromptCalibration, one_outlier_moves_it_little) {
  PromptCalibration calibration;
  for (int i = 0; i < 100; ++i) calibration.observe(1000, 1000);
  calibration.observe(1000, 1'000'000);
  EXPECT_LE(calibration.factor(), 1.04);
  for (int i = 0; i < 100; ++i) calibration.observe(1000, 1000);
  calibration.observe(1'000'000, 1);
  EXPECT_GE(calibration.factor(), 0.98);
}

TEST(PromptCalibration, it_stays_within_its_bounds_and_ignores_what_is_no_count) {
  PromptCalibration high;
  PromptCalibration low;
  for (int i = 0; i < 1000; ++i) {
    high.observe(1, uint64_t{1} << 60);
    low.observe(uint64_t{1} << 60, 1);
  }
  EXPECT_EQ(high.factor(), PromptCalibration::kFactorMax);
  EXPECT_EQ(low.factor(), PromptCalibration::kFactorMin);
  EXPECT_EQ(low.apply(1), 1u);
  EXPECT_EQ(high.apply(0), 0u);
  EXPECT_EQ(high.apply(~uint64_t{0}), config::LimitRule::kMostMax);
  high.observe(0, 5);
  high.observe(5, 0);
  EXPECT_EQ(high.factor(), PromptCalibration::kFactorMax);
}

TEST(PromptCalibration, the_error_is_a_part_of_what_was_reported) {
  EXPECT_DOUBLE_EQ(estimate_error(120, 100), 0.2);
  EXPECT_DOUBLE_EQ(estimate_error(80, 100), 0.2);
  EXPECT_DOUBLE_EQ(estimate_error(80, 0), 0);
}

TEST(OutputQuantile, it_says_nothing_before_it_has_seen_enough) {
  OutputQuantile recent;
  for (uint32_t i = 1; i < OutputQuantile::kAnswersMin; ++i) recent.observe(10);
  EXPECT_EQ(recent.p95(), std::nullopt);
  recent.observe(10);
  EXPECT_EQ(recent.p95(), 10u);
}

TEST(OutputQuantile, it_is_never_below_the_true_one_and_at_most_an_eighth_above) {
  OutputQuantile recent;
  std::vector<uint64_t> seen;
  uint64_t state = 7;
  for (int i = 0; i < 256; ++i) {
    state = state * 6'364'136'223'846'793'005u + 1'442'695'040'888'963'407u;
    seen.push_back((state >> 40) % 5000);
    recent.observe(seen.back());
  }
  // The last look was at the last multiple of eight answers behind the twentieth.
  seen.resize(252);
  std::sort(seen.begin(), seen.end());
  const uint64_t exact = seen[(252 * 95 + 99) / 100 - 1];
  ASSERT_TRUE(recent.p95().has_value());
  EXPECT_GE(*recent.p95(), exact);
  EXPECT_LE(*recent.p95(), exact + exact / 8 + 1);
}

TEST(OutputQuantile, old_answers_are_forgotten) {
  OutputQuantile recent;
  for (int i = 0; i < 300; ++i) recent.observe(10'000);
  for (uint32_t i = 0; i < 3 * OutputQuantile::kPeriodAnswers; ++i) recent.observe(5);
  EXPECT_EQ(recent.p95(), 5u);
}

TEST(OutputQuantile, an_answer_beyond_all_steps_counts_as_the_longest) {
  OutputQuantile recent;
  for (int i = 0; i < 40; ++i) recent.observe(~uint64_t{0});
  EXPECT_EQ(recent.p95(), OutputQuantile::kTokensMost);
}

TEST(ReserveOutput, each_mode_sets_its_part_aside) {
  OutputQuantile fresh;
  OutputQuantile known;
  for (int i = 0; i < 40; ++i) known.observe(7);
  using config::Reserve;
  EXPECT_EQ(reserve_output(Reserve::kMax, std::nullopt, 4096, known), 4096u);
  EXPECT_EQ(reserve_output(Reserve::kMax, 8000, 4096, known), 8000u);
  EXPECT_EQ(reserve_output(Reserve::kMax, 0, 4096, known), 0u);
  EXPECT_EQ(reserve_output(Reserve::kP95, std::nullopt, 4096, fresh), 4096u);
  EXPECT_EQ(reserve_output(Reserve::kP95, std::nullopt, 4096, known), 7u);
  EXPECT_EQ(reserve_output(Reserve::kP95, 3, 4096, known), 3u);
  EXPECT_EQ(reserve_output(Reserve::kNone, 8000, 4096, known), 0u);
}

}  // namespace
}  // namespace sluice::usage
