// HTTP/2 frames written by hand, and read back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::http {

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum FrameType : uint8_t {
  kData,
  kHeaders,
  kPriority,
  kRstStream,
  kSettings,
  kPushPromise,
  kPing,
  kGoaway,
  kWindowUpdate,
  kContinuation,
};
inline constexpr uint8_t kEndStream = 1, kAck = 1, kEndHeaders = 4, kPadded = 8;

inline std::string number(uint64_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

inline std::string frame(FrameType type, uint8_t flags, uint32_t stream,
                         std::string_view payload = {}) {
  return number(payload.size(), 3) + static_cast<char>(type) + static_cast<char>(flags) +
         number(stream, 4) + std::string(payload);
}

using Fields = std::vector<std::pair<std::string, std::string>>;

// Literal fields, never indexed, without Huffman coding (RFC 7541 6.2.3).
inline std::string encode(const Fields& fields) {
  const auto length = [](size_t bytes) {
    if (bytes < 127) return std::string(1, static_cast<char>(bytes));
    std::string text(1, static_cast<char>(127));
    for (bytes -= 127; bytes >= 128; bytes >>= 7) text += static_cast<char>(bytes % 128 + 128);
    return text + static_cast<char>(bytes);
  };
  std::string block;
  for (const auto& [name, value] : fields) {
    block += static_cast<char>(0x10);
    block += length(name.size()) + name + length(value.size()) + value;
  }
  return block;
}

inline Fields request(const std::string& method, const std::string& path, Fields more = {}) {
  Fields fields = {
      {":method", method}, {":scheme", "https"}, {":path", path}, {":authority", "api.test"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

inline std::string headers(uint32_t stream, const Fields& fields, bool ends = true) {
  return frame(kHeaders, static_cast<uint8_t>(kEndHeaders | (ends ? kEndStream : 0)), stream,
               encode(fields));
}

struct Frame {
  uint8_t type;
  uint8_t flags;
  uint32_t stream;
  std::string payload;
  [[nodiscard]] uint32_t word(size_t at) const {
    uint32_t value = 0;
    for (size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<uint8_t>(payload.at(i));
    return value;
  }
};

// Takes the whole frames off the front of `bytes`.
inline std::vector<Frame> take_frames(std::string& bytes) {
  std::vector<Frame> frames;
  const auto at = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])); };
  while (bytes.size() >= 9) {
    const size_t length = at(0) << 16 | at(1) << 8 | at(2);
    if (bytes.size() < 9 + length) break;
    frames.push_back({static_cast<uint8_t>(at(3)), static_cast<uint8_t>(at(4)),
                      (at(5) << 24 | at(6) << 16 | at(7) << 8 | at(8)) & 0x7fffffff,
                      bytes.substr(9, length)});
    bytes.erase(0, 9 + length);
  }
  return frames;
}

}  // namespace sluice::http
