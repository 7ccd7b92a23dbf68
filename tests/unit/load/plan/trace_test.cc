#include "plan/trace.h"

#include <gtest/gtest.h>

namespace sluice::load {
namespace {

constexpr std::string_view kAzure =
    "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
    "2023-11-16 23:59:59.5000000,374,44\r\n"
    "2023-11-17 00:00:00.7500000,396,109\r\n";

constexpr std::string_view kMooncake =
    R"({"timestamp": 1000, "input_length": 1024, "output_length": 5, "hash_ids": [0, 7]})"
    "\n"
    R"({"timestamp": 3000, "input_length": 700, "output_length": 6, "hash_ids": [0, 8]})"
    "\n"
    R"({"hash_ids":[],"output_length":1,"input_length":2,"timestamp":2000})"
    "\n";

TEST(Trace, reads_azures_rows_also_over_midnight) {
  const auto trace = parse_trace(kAzure, "t.csv");
  ASSERT_TRUE(trace) << trace.error();
  ASSERT_EQ(trace->records.size(), 2u);
  EXPECT_EQ(trace->records[0].at, Duration(0));
  EXPECT_EQ(trace->records[1].at, Duration(milliseconds(1250)));
  EXPECT_EQ(trace->records[1].prompt_tokens, 396u);
  EXPECT_EQ(trace->records[1].answer_tokens, 109u);
  EXPECT_TRUE(trace->blocks_of(trace->records[0]).empty());
}

TEST(Trace, reads_mooncakes_lines_and_puts_them_in_order) {
  const auto trace = parse_trace(kMooncake, "t.jsonl");
  ASSERT_TRUE(trace) << trace.error();
  ASSERT_EQ(trace->records.size(), 3u);
  EXPECT_EQ(trace->records[1].at, Duration(seconds(1)));
  EXPECT_EQ(trace->records[1].answer_tokens, 1u);
  EXPECT_TRUE(trace->blocks_of(trace->records[1]).empty());
  const auto blocks = trace->blocks_of(trace->records[2]);
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(blocks[0], 0u);
  EXPECT_EQ(blocks[1], 8u);
}

TEST(Trace, names_the_line_that_is_wrong) {
  const std::pair<std::string, std::string> kCases[] = {
      {std::string(kAzure) + "yesterday,1,2\n", "t:4: not a record"},
      {std::string(kAzure) + "2023-02-30 00:00:00,1,2\n", "t:4: not a record"},
      {std::string(kAzure) + "2023-11-16 00:00:00,1\n", "t:4: not a record"},
      {std::string(kAzure) + "2023-11-16 00:00:00,1,2,3\n", "t:4: not a record"},
      {std::string(kAzure) + "2023-11-16 00:00:00,5000000,2\n", "t:4: more than"},
      {std::string(kMooncake) + "{}\n", "t:4: a field is missing"},
      {std::string(kMooncake) + R"({"timestamp": 1, "color": 2})" + "\n", "t:4: unknown field"},
      {std::string(kMooncake) + R"({"timestamp": 1, "hash_ids": [1,})" + "\n", "t:4: not a record"},
      {std::string(kMooncake) + R"({"timestamp": -1)" + "\n", "t:4: not a record"},
      {"", "t:1: the trace has no record"},
      {"TIMESTAMP,ContextTokens,GeneratedTokens\n", "t:1: the trace has no record"},
  };
  for (const auto& [text, error] : kCases) {
    const auto trace = parse_trace(text, "t");
    ASSERT_FALSE(trace) << text;
    EXPECT_TRUE(trace.error().starts_with(error)) << trace.error();
  }
}

TEST(Trace, every_cut_of_a_line_is_refused_or_read) {
  const std::string_view line = kMooncake.substr(0, kMooncake.find('\n'));
  for (size_t cut = 1; cut < line.size(); ++cut) {
    EXPECT_FALSE(parse_trace(line.substr(0, cut), "t")) << cut;
  }
}

}  // namespace
}  // namespace sluice::load
