#include <sluice/control/usage_question.h>

#include <gtest/gtest.h>

#include "usage_records.h"

namespace sluice::control {
namespace {

std::string json_of(const UsageRow& row) {
  std::string text;
  json::Writer writer(text);
  write_usage_row(writer, row);
  return text;
}

TEST(UsageRow, d135_shape_is_what_the_docs_say) {
  UsageRow row;
  row.id = "0000000000000007-1000000000003";
  row.request_id = "req_3";
  row.began = WallTime{kUsageEpoch};
  row.at = WallTime{kUsageEpoch + 250'000};
  row.key = "app";
  row.tenant = "acme";
  row.organisation = "org_1";
  row.team = "team_1";
  row.user = "user_1";
  row.model = "small";
  row.served_model = "large";
  row.deployment = "east";
  row.endpoint = "/v1/chat/completions";
  row.status = 200;
  row.error = "upstream_lost";
  row.is_stream = true;
  row.is_partial = true;
  row.source = "counted";
  row.input_tokens = 10;
  row.output_tokens = 5;
  row.cached_tokens = 4;
  row.reasoning_tokens = 2;
  row.micro_dollars = 100;
  row.duration_us = 250'000;
  row.ttft_us = 80'000;
  EXPECT_EQ(json_of(row),
            R"({"id":"0000000000000007-1000000000003","request_id":"req_3",)"
            R"("began":"2026-11-27T00:00:00.000000Z","ended":"2026-11-27T00:00:00.250000Z",)"
            R"("key":"app","tenant":"acme","organisation":"org_1","team":"team_1",)"
            R"("user":"user_1","model":"small","served_model":"large","deployment":"east",)"
            R"("endpoint":"/v1/chat/completions","status":200,"error":"upstream_lost",)"
            R"("stream":true,"partial":true,"source":"counted","input_tokens":10,)"
            R"("output_tokens":5,"cached_tokens":4,"reasoning_tokens":2,"micro_dollars":100,)"
            R"("duration_us":250000,"ttft_us":80000})");
}

TEST(UsageRow, what_is_absent_is_left_out) {
  UsageRow row;
  row.id = "1-1";
  row.endpoint = "other";
  row.source = "unknown";
  EXPECT_EQ(json_of(row), R"({"id":"1-1","began":"1970-01-01T00:00:00.000000Z",)"
                          R"("ended":"1970-01-01T00:00:00.000000Z","endpoint":"other","status":0,)"
                          R"("stream":false,"partial":false,"source":"unknown"})");
}

TEST(UsageRow, names_cannot_break_out_of_their_strings) {
  UsageRow row;
  row.request_id = "a\",\"key\":\"\xff";
  EXPECT_TRUE(json_of(row).contains(R"("request_id":"a\",\"key\":\")")) << json_of(row);
}

}  // namespace
}  // namespace sluice::control
