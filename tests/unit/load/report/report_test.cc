// The reports of one made-up run: what they must say, whoever reads them.
#include "report/report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "report/compare.h"
#include "report/figures.h"
#include "report/html_page.h"
#include "report/json.h"
#include "report/table.h"
#include "strict_json.h"

namespace sluice::load {
namespace {

struct ReportTest : ::testing::Test {
  ReportTest() {
    settings.target.url = *parse_url("http://127.0.0.1:8080");
    settings.name = "a <b> & \"c\"";
    tally->started = tally->completed = 1000;
    for (int i = 1; i <= 1000; ++i) tally->latency.record(microseconds(i));
    tally->gap.record(milliseconds(20));
    tally->timeline.record(milliseconds(1));
    tally->timeline.end_second(tally->running());
    report.settings = &settings;
    report.tally = tally.get();
    report.measured = seconds(2);
  }
  [[nodiscard]] bool is_good_with(std::string_view figure, std::string_view range) {
    settings.expectations = {parse_expectation(figure, range).value()};
    report.verdicts.clear();
    judge(report);
    return is_good(report);
  }

  Settings settings;
  std::unique_ptr<Tally> tally = std::make_unique<Tally>();
  Report report;
};

TEST_F(ReportTest, figures_have_names) {
  EXPECT_EQ(figure_of(report, "completed"), 1000);
  EXPECT_EQ(figure_of(report, "rate"), 500);
  EXPECT_NEAR(figure_of(report, "latency.p50").value(), 500, 5);
  EXPECT_EQ(figure_of(report, "latency.max"), 1000);
  EXPECT_EQ(figure_of(report, "delay.count"), 0);
  EXPECT_EQ(figure_of(report, "delay.p50"), std::nullopt);
  EXPECT_EQ(figure_of(report, "colour"), std::nullopt);
}

TEST_F(ReportTest, a_range_that_is_missed_makes_it_bad) {
  EXPECT_TRUE(is_good_with("latency.p99", "900us to 1ms"));
  EXPECT_FALSE(is_good_with("latency.p99", "at most 900us"));
  EXPECT_FALSE(is_good_with("completed", "at least 1001"));
  // What was not measured did not keep to it.
  EXPECT_FALSE(is_good_with("delay.p99", "at most 1s"));
}

TEST_F(ReportTest, failures_are_bad_unless_expected) {
  EXPECT_TRUE(is_good_with("rate", "at least 1"));
  tally->fail("status 500");
  EXPECT_FALSE(is_good_with("rate", "at least 1"));
  EXPECT_TRUE(is_good_with("failed", "1"));
  tally->not_sent = 1;
  EXPECT_FALSE(is_good_with("failed", "1"));
}

TEST_F(ReportTest, the_table_names_failures_and_what_was_missed) {
  tally->fail("status 500");
  judge(report);
  const std::string table = render_table(report);
  EXPECT_NE(table.find("failed: 1 x status 500"), std::string::npos);
  EXPECT_NE(table.find("MISSED: failed is 1, expected 0"), std::string::npos);
}

TEST_F(ReportTest, the_json_is_json_and_reads_back) {
  tally->fail("odd \"reason\"\n");
  judge(report);
  const std::string json = render_json(report);
  EXPECT_TRUE(support::StrictJson(json, 64).is_valid());
  const auto figures = read_report(json, "a.json");
  ASSERT_TRUE(figures) << figures.error();
  EXPECT_EQ(figures->name, settings.name);
  const auto value_of = [&](std::string_view name) {
    const auto found = std::ranges::find(figures->values, name, [](auto& v) { return v.first; });
    return found == figures->values.end() ? -1 : found->second;
  };
  EXPECT_EQ(value_of("completed"), 1000);
  EXPECT_EQ(value_of("latency.max_us"), 1000);
}

TEST_F(ReportTest, a_comparison_shows_the_ratio) {
  const auto first = read_report(render_json(report), "a.json");
  tally->completed = 2000;
  const auto second = read_report(render_json(report), "b.json");
  ASSERT_TRUE(first && second);
  const std::string table = render_comparison(*first, *second);
  const size_t at = table.find("completed");
  ASSERT_NE(at, std::string::npos);
  EXPECT_NE(table.substr(at, 80).find("2.000"), std::string::npos);
}

TEST_F(ReportTest, what_is_no_report_is_refused_with_its_name) {
  for (const char* text : {"", "{}", "[1,2]", "{\"a\":", "hello"}) {
    const auto figures = read_report(text, "x.json");
    ASSERT_FALSE(figures) << text;
    EXPECT_TRUE(figures.error().starts_with("x.json")) << figures.error();
  }
}

TEST_F(ReportTest, the_page_is_whole_and_needs_no_network) {
  judge(report);
  const std::string page = render_html(report);
  EXPECT_EQ(page.find("://"), std::string::npos);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_NE(page.find("a &lt;b&gt; &amp; &quot;c&quot;"), std::string::npos);
  EXPECT_EQ(page.find("nan"), std::string::npos);
  EXPECT_EQ(page.find("inf"), std::string::npos);
  size_t charts = 0;
  for (size_t at = page.find("<svg"); at != std::string::npos; at = page.find("<svg", at + 1)) {
    ++charts;
  }
  EXPECT_EQ(charts, 4u);
}

TEST_F(ReportTest, the_page_shows_counts_and_rates_as_people_write_them) {
  report.measured = milliseconds(700);
  EXPECT_TRUE(is_good_with("rate", "at least 1"));
  EXPECT_NE(render_html(report).find("<td>1,429<td"), std::string::npos);
  report.measured = seconds(60);
  EXPECT_TRUE(is_good_with("rate", "at least 1"));
  EXPECT_NE(render_html(report).find("<td>16.67<td"), std::string::npos);
}

TEST_F(ReportTest, a_run_of_streams_shows_its_events_by_the_second) {
  tally->events = 5000;
  tally->timeline.end_second(tally->running());
  EXPECT_NE(render_html(report).find("Events in each second"), std::string::npos);
}

TEST_F(ReportTest, an_empty_run_has_a_page_too) {
  *tally = Tally();
  judge(report);
  const std::string page = render_html(report);
  EXPECT_EQ(page.find("nan"), std::string::npos);
  EXPECT_NE(page.find("missed"), std::string::npos);
}

}  // namespace
}  // namespace sluice::load
