#include <sluice/telemetry/access_format.h>

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace sluice::telemetry {
namespace {

std::string line(const AccessRecord& record) {
  std::string out;
  append_access_line(record, out);
  return out;
}

AccessRecord full_record() {
  AccessRecord record;
  record.at = WallTime{1'763'648'700'123'456};
  record.request_id = "req_1";
  record.client = Ipv6Bytes{0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  record.key = "ada";
  record.tenant = "lab";
  record.model = "llama-3";
  record.upstream = "gpu-1";
  record.endpoint = metrics::Endpoint::kChatCompletions;
  record.status = 200;
  record.error = ErrorCode::kUpstreamLost;
  record.is_stream = true;
  record.client_disconnected = true;
  record.attempts = 2;
  record.priority = 3;
  record.weight = 4;
  record.bytes_in = 700;
  record.bytes_out = 12'000;
  record.usage_source = metrics::UsageSource::kReported;
  record.usage_partial = true;
  record.input_tokens = 10;
  record.output_tokens = 0;
  record.protocol = Protocol::kHttp2;
  record.cached_tokens = 5;
  record.reasoning_tokens = 6;
  record.cost_micro_dollars = 1'000'230;
  record.connect_us = 90;
  record.ttft_us = 15'000;
  record.duration_us = 2'000'000;
  record.overhead_us = 41;
  return record;
}

TEST(AppendAccessLine, writes_every_field) {
  EXPECT_EQ(line(full_record()),
            "{\"time\":\"2025-11-20T14:25:00.123456Z\",\"request_id\":\"req_1\","
            "\"client\":\"2001:db8::1\",\"key\":\"ada\","
            "\"tenant\":\"lab\",\"endpoint\":\"/v1/chat/completions\","
            "\"protocol\":\"HTTP/2\",\"model\":\"llama-3\","
            "\"upstream\":\"gpu-1\",\"attempts\":2,\"status\":200,\"error\":\"upstream_lost\","
            "\"stream\":true,\"client_disconnected\":true,\"priority\":3,\"weight\":4,"
            "\"bytes_in\":700,\"bytes_out\":12000,\"usage_source\":\"reported\","
            "\"usage_partial\":true,\"input_tokens\":10,\"output_tokens\":0,\"cached_tokens\":5,"
            "\"reasoning_tokens\":6,\"cost_usd\":1.000230,\"connect_us\":90,\"ttft_us\":15000,"
            "\"duration_us\":2000000,\"overhead_us\":41}\n");
}

// Goal: unknown is not zero. A known zero (above) is written, an unknown number is left out.
TEST(AppendAccessLine, leaves_out_what_is_absent) {
  AccessRecord record;
  record.request_id = "r";
  record.status = 401;
  EXPECT_EQ(line(record),
            "{\"time\":\"1970-01-01T00:00:00.000000Z\",\"request_id\":\"r\",\"endpoint\":\"other\","
            "\"protocol\":\"HTTP/"
            "1.1\",\"attempts\":0,\"status\":401,\"stream\":false,\"client_disconnected\":false,"
            "\"priority\":0,\"weight\":1,\"bytes_in\":0,\"bytes_out\":0,\"duration_us\":0,"
            "\"overhead_us\":0}\n");
}

TEST(AppendAccessLine, d075_no_text_can_forge_a_line) {
  AccessRecord record;
  record.request_id = "a\r\n{\"forged\":\"\\";
  record.model = std::string_view("m\0\x1b[31m\xff\xe2\x82", 9);
  const std::string text = line(record);
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  EXPECT_NE(text.find("\"request_id\":\"a\\r\\n{\\\"forged\\\":\\\"\\\\\""), std::string::npos);
  for (const char c : text.substr(0, text.size() - 1)) {
    ASSERT_GE(static_cast<unsigned char>(c), 0x20);
  }
}

// Goal: the widest record there can be fits the line's buffer (run under ASan too).
TEST(AppendAccessLine, holds_the_widest_record) {
  AccessRecord record = full_record();
  const std::string wide(200, '\x01');
  record.request_id = wide;
  record.key = wide;
  record.tenant = wide;
  record.model = wide;
  record.upstream = wide;
  record.served_model = wide;
  record.limit = wide;
  record.client.emplace().fill(0xFF);
  record.error_detail = wide;
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  record.attempts = record.priority = record.weight = UINT32_MAX;
  record.bytes_in = record.bytes_out = record.duration_us = record.overhead_us = kMost;
  record.input_tokens = record.output_tokens = record.cached_tokens = kMost;
  record.reasoning_tokens = record.ttft_us = kMost;
  record.connect_us = UINT32_MAX;
  record.cost_micro_dollars = std::numeric_limits<int64_t>::min();
  const std::string text = line(record);
  EXPECT_NE(text.find("\"cost_usd\":-9223372036854.775808,"), std::string::npos);
  EXPECT_NE(text.find("\"overhead_us\":18446744073709551615}"), std::string::npos);
}

TEST(AppendAccessLine, writes_small_costs_exactly) {
  AccessRecord record;
  record.usage_source = metrics::UsageSource::kCounted;
  record.cost_micro_dollars = 7;
  EXPECT_NE(line(record).find("\"cost_usd\":0.000007,"), std::string::npos);
}

}  // namespace
}  // namespace sluice::telemetry
