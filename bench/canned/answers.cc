#include "answers.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace sluice::canned {
namespace {

constexpr std::string_view kHead = "HTTP/1.1 200 OK\r\n";
constexpr std::string_view kUsage =
    R"("usage":{"prompt_tokens":160,"completion_tokens":60,"total_tokens":220})";

std::string words(size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += "word "[out.size() % 5];
  return out;
}

// `before` and `after` with words between, `bytes` in all.
std::string filled(std::string_view before, std::string_view after, size_t bytes) {
  const size_t given = before.size() + after.size();
  return std::string(before) + words(bytes - std::min(bytes, given)) + std::string(after);
}

std::string chunk_of(std::string_view bytes) {
  std::array<char, 16> size{};
  const auto [end, error] = std::to_chars(size.data(), size.data() + size.size(), bytes.size(), 16);
  return std::string(size.data(), end) + "\r\n" + std::string(bytes) + "\r\n";
}

std::string render_event(std::string_view members_after) {
  constexpr std::string_view kBefore =
      R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1760000000,)"
      R"("model":"canned","choices":[{"index":0,"delta":{"content":")";
  const std::string after = R"("},"finish_reason":null}])" + std::string(members_after) + "}\n\n";
  return filled(kBefore, after, kEventBytes);
}

}  // namespace

std::string render_small(std::string_view status, std::string_view body) {
  return "HTTP/1.1 " + std::string(status) + "\r\ncontent-type: application/json\r\n" +
         "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

std::string render_unary() {
  constexpr std::string_view kBefore =
      R"({"id":"chatcmpl-1","object":"chat.completion","created":1760000000,"model":"canned",)"
      R"("choices":[{"index":0,"message":{"role":"assistant","content":")";
  const std::string after = R"("},"finish_reason":"stop"}],)" + std::string(kUsage) + "}";
  return render_small("200 OK", filled(kBefore, after, kAnswerBytes));
}

std::string render_burst(uint32_t events, bool with_usage) {
  std::string out = render_stream_head();
  const std::string chunk = chunk_of(render_event(""));
  for (uint32_t i = 0; i < events; ++i) out += chunk;
  return out + render_stream_end(with_usage);
}

std::string render_stream_head() {
  return std::string(kHead) +
         "content-type: text/event-stream\r\ncache-control: no-cache\r\n"
         "transfer-encoding: chunked\r\n\r\n";
}

std::string render_stream_end(bool with_usage) {
  std::string out;
  if (with_usage) {
    out += chunk_of(
        R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1760000000,)"
        R"("model":"canned","choices":[],)" +
        std::string(kUsage) + "}\n\n");
  }
  return out + chunk_of("data: [DONE]\n\n") + "0\r\n\r\n";
}

void StampedEvent::render(uint64_t t_ns, Chunk& out) {
  std::array<char, 20> stamp{};
  const auto [end, error] = std::to_chars(stamp.data(), stamp.data() + stamp.size(), t_ns);
  const size_t digits = static_cast<size_t>(end - stamp.data());
  if (digits != digits_) {
    digits_ = digits;
    text_ = chunk_of(render_event(R"(,"t_ns":)" + std::string(digits, '0')));
  }
  constexpr size_t kAfterStamp = 5;  // "}", the blank line, the chunk's end.
  std::memcpy(out.data(), text_.data(), kChunkBytes);
  std::memcpy(out.data() + kChunkBytes - kAfterStamp - digits, stamp.data(), digits);
}

}  // namespace sluice::canned
