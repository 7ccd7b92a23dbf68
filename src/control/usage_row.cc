// A record of use as JSON; docs/usage.md lists the members.
#include <array>

#include <sluice/control/usage_question.h>
#include <sluice/telemetry/time_text.h>

namespace sluice::control {
namespace {

void write_text(json::Writer& writer, std::string_view name, std::string_view text) {
  if (!text.empty()) writer.key(name).string(text);
}

void write_number(json::Writer& writer, std::string_view name,
                  const std::optional<uint64_t>& number) {
  if (number) writer.key(name).unsigned_integer(*number);
}

void write_time(json::Writer& writer, std::string_view name, WallTime time) {
  std::array<char, telemetry::kTimeTextBytes> text;
  const char* const end = telemetry::write_time(text.data(), time);
  writer.key(name).string({text.data(), static_cast<size_t>(end - text.data())});
}

}  // namespace

void write_usage_row(json::Writer& writer, const UsageRow& row) {
  writer.begin_object().key("id").string(row.id);
  write_text(writer, "request_id", row.request_id);
  write_time(writer, "began", row.began);
  write_time(writer, "ended", row.at);
  write_text(writer, "key", row.key);
  write_text(writer, "tenant", row.tenant);
  write_text(writer, "organisation", row.organisation);
  write_text(writer, "team", row.team);
  write_text(writer, "user", row.user);
  write_text(writer, "model", row.model);
  write_text(writer, "served_model", row.served_model);
  write_text(writer, "deployment", row.deployment);
  writer.key("endpoint").string(row.endpoint);
  writer.key("status").unsigned_integer(row.status);
  write_text(writer, "error", row.error);
  writer.key("stream").boolean(row.is_stream);
  writer.key("partial").boolean(row.is_partial);
  writer.key("source").string(row.source);
  write_number(writer, "input_tokens", row.input_tokens);
  write_number(writer, "output_tokens", row.output_tokens);
  write_number(writer, "cached_tokens", row.cached_tokens);
  write_number(writer, "reasoning_tokens", row.reasoning_tokens);
  write_number(writer, "micro_dollars", row.micro_dollars);
  write_number(writer, "duration_us", row.duration_us);
  write_number(writer, "ttft_us", row.ttft_us);
  writer.end_object();
}

}  // namespace sluice::control
