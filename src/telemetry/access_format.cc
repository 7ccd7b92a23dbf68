#include <sluice/telemetry/access_format.h>

#include <array>
#include <charconv>
#include <cstring>
#include <span>

#include <sluice/json/writer.h>
#include <sluice/telemetry/ip_text.h>
#include <sluice/telemetry/time_text.h>

namespace sluice::telemetry {
namespace {

// An escaped byte takes at most six; names and numbers of all fields take less than 1 KiB, and the
// detail of an error is cut.
constexpr size_t kTextBytes = 128 + 40 + 32 + 80 + 40 + 40 + 80 + 45 + 256;
constexpr size_t kDetailBytesMax = 200;
constexpr size_t kLineBytesMax = 6 * kTextBytes + kDetailBytesMax + 1024;

// Writes members one after the other into a buffer that the bound above makes large enough. Made
// for this one line, because the control thread shares its core with a shard: the general writer
// takes three times as long.
class Line {
 public:
  explicit Line(char* begin) noexcept : end_(begin) {}

  // `name` is the member's name with its quotes and colon, and the comma before it.
  void name(std::string_view name) noexcept {
    std::memcpy(end_, name.data(), name.size());
    end_ += name.size();
  }
  void text(std::string_view name, std::string_view value) noexcept {
    this->name(name);
    json::Writer writer(std::span<char>(end_, 6 * value.size() + 2));
    writer.string(value);
    end_ += writer.text().size();
  }
  // `value` is known to need no escape.
  void word(std::string_view name, std::string_view value) noexcept {
    this->name(name);
    *end_++ = '"';
    this->name(value);
    *end_++ = '"';
  }
  void number(std::string_view name, uint64_t value) noexcept {
    this->name(name);
    end_ = std::to_chars(end_, end_ + 20, value).ptr;
  }
  void boolean(std::string_view name, bool value) noexcept {
    this->name(name);
    this->name(value ? "true" : "false");
  }
  void time(std::string_view name, WallTime value) noexcept {
    this->name(name);
    *end_++ = '"';
    end_ = write_time(end_, value);
    *end_++ = '"';
  }
  // Micro-dollars as dollars, exactly: six digits behind the point.
  void dollars(std::string_view name, int64_t micro) noexcept {
    this->name(name);
    if (micro < 0) *end_++ = '-';
    const uint64_t absolute =
        micro < 0 ? uint64_t{0} - static_cast<uint64_t>(micro) : static_cast<uint64_t>(micro);
    end_ = std::to_chars(end_, end_ + 20, absolute / 1'000'000).ptr;
    *end_++ = '.';
    uint64_t rest = absolute % 1'000'000;
    for (int i = 6; i-- > 0; rest /= 10) end_[i] = static_cast<char>('0' + rest % 10);
    end_ += 6;
  }
  template <class Number>
  void optional_number(std::string_view name, const std::optional<Number>& value) noexcept {
    if (value) number(name, *value);
  }
  void optional_text(std::string_view name, std::string_view value) noexcept {
    if (!value.empty()) text(name, value);
  }
  [[nodiscard]] char* end() const noexcept { return end_; }

 private:
  char* end_;
};

std::string_view to_string(Protocol protocol) noexcept {
  switch (protocol) {
    case Protocol::kHttp10: return "HTTP/1.0";
    case Protocol::kHttp11: return "HTTP/1.1";
    case Protocol::kHttp2: return "HTTP/2";
  }
  return "";
}

void write_names(Line& line, const AccessRecord& record) noexcept {
  line.time("{\"time\":", record.at);
  line.text(",\"request_id\":", record.request_id.view());
  if (record.client) line.word(",\"client\":", ip_text(*record.client).view());
  line.optional_text(",\"key\":", record.key.view());
  line.optional_text(",\"tenant\":", record.tenant.view());
  line.word(",\"endpoint\":", to_string(record.endpoint));
  line.word(",\"protocol\":", to_string(record.protocol));
  line.optional_text(",\"model\":", record.model.view());
  line.optional_text(",\"served_model\":", record.served_model.view());
  line.optional_text(",\"limit\":", record.limit.view());
  line.optional_text(",\"upstream\":", record.upstream.view());
}

void write_usage(Line& line, const AccessRecord& record) noexcept {
  if (!record.usage_source) return;
  line.word(",\"usage_source\":", to_string(*record.usage_source));
  line.boolean(",\"usage_partial\":", record.usage_partial);
  line.optional_number(",\"input_tokens\":", record.input_tokens);
  line.optional_number(",\"output_tokens\":", record.output_tokens);
  line.optional_number(",\"cached_tokens\":", record.cached_tokens);
  line.optional_number(",\"reasoning_tokens\":", record.reasoning_tokens);
  if (record.cost_micro_dollars) line.dollars(",\"cost_usd\":", *record.cost_micro_dollars);
}

}  // namespace

void append_access_line(const AccessRecord& record, std::string& out) {
  std::array<char, kLineBytesMax> buffer;
  Line line(buffer.data());
  write_names(line, record);
  line.number(",\"attempts\":", record.attempts);
  line.number(",\"status\":", record.status);
  if (record.error) line.word(",\"error\":", to_string(*record.error));
  if (record.error && !record.error_detail.empty()) {
    line.word(",\"error_detail\":", record.error_detail.substr(0, kDetailBytesMax));
  }
  line.boolean(",\"stream\":", record.is_stream);
  line.boolean(",\"client_disconnected\":", record.client_disconnected);
  line.number(",\"priority\":", record.priority);
  line.number(",\"weight\":", record.weight);
  line.number(",\"bytes_in\":", record.bytes_in);
  line.number(",\"bytes_out\":", record.bytes_out);
  write_usage(line, record);
  line.optional_number(",\"connect_us\":", record.connect_us);
  line.optional_number(",\"ttft_us\":", record.ttft_us);
  if (record.queue_us > 0) line.number(",\"queue_us\":", record.queue_us);
  line.number(",\"duration_us\":", record.duration_us);
  line.number(",\"overhead_us\":", record.overhead_us);
  if (!record.script_fields.empty()) {
    line.name(",\"script\":");
    line.name(record.script_fields.view());  // JSON already.
  }
  line.name("}\n");
  out.append(buffer.data(), line.end());
}

}  // namespace sluice::telemetry
