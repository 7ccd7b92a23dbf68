#include "journal_frame.h"

#include <array>

#include <sluice/base/assert.h>
#include <sluice/base/byte_fields.h>

namespace sluice::store {
namespace {

constexpr std::string_view kMagic = "SLUICEJN";
constexpr size_t kSlices = 8;

using Tables = std::array<std::array<uint32_t, 256>, kSlices>;

constexpr Tables make_tables() noexcept {
  Tables tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ ((value & 1) != 0 ? 0x82F63B78u : 0);
    tables[0][i] = value;
  }
  for (uint32_t i = 0; i < 256; ++i) {
    for (size_t slice = 1; slice < kSlices; ++slice) {
      const uint32_t before = tables[slice - 1][i];
      tables[slice][i] = before >> 8 ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

uint32_t frame_crc(uint32_t length, std::string_view payload) noexcept {
  std::array<char, 4> text{};
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(length >> (8 * i) & 0xff);
  return crc32c(payload, crc32c({text.data(), text.size()}));
}

}  // namespace

uint32_t crc32c(std::string_view bytes, uint32_t before) noexcept {
  uint32_t crc = ~before;
  const auto at = [&bytes](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  // Eight bytes a step; the oldest goes through the last table.
  while (bytes.size() >= kSlices) {
    uint32_t next = 0;
    for (size_t i = 0; i < kSlices; ++i) {
      const uint32_t mixed = i < 4 ? at(i) ^ (crc >> (8 * i) & 0xff) : at(i);
      next ^= kTables[kSlices - 1 - i][mixed];
    }
    crc = next;
    bytes.remove_prefix(kSlices);
  }
  for (const char c : bytes) {
    crc = crc >> 8 ^ kTables[0][(crc ^ static_cast<uint8_t>(c)) & 0xff];
  }
  return ~crc;
}

void append_segment_head(std::string& out) {
  const size_t begin = out.size();
  out += kMagic;
  append_number(out, kJournalVersion);
  append_number(out, crc32c(std::string_view(out).substr(begin)));
}

bool is_segment_head(std::string_view bytes) noexcept {
  if (bytes.size() < kSegmentHeadBytes || !bytes.starts_with(kMagic)) return false;
  ByteFields fields(bytes.substr(kMagic.size()));
  if (fields.number<uint32_t>() != kJournalVersion) return false;
  return fields.number<uint32_t>() == crc32c(bytes.substr(0, kMagic.size() + 4));
}

void append_frame(std::string& out, std::string_view payload) {
  SLUICE_ASSERT(!payload.empty() && payload.size() <= kPayloadBytesMax);
  const auto length = static_cast<uint32_t>(payload.size());
  append_number(out, length);
  append_number(out, frame_crc(length, payload));
  out += payload;
}

FrameReader::Found FrameReader::next(std::string_view* payload) noexcept {
  const std::string_view rest = bytes_.substr(taken_);
  if (rest.size() < 4) return Found::kMore;
  ByteFields fields(rest);
  const auto length = fields.number<uint32_t>();
  if (length == 0 || length > kPayloadBytesMax) return Found::kBad;
  if (rest.size() < kFrameHeadBytes + length) return Found::kMore;
  const auto crc = fields.number<uint32_t>();
  const std::string_view body = rest.substr(kFrameHeadBytes, length);
  if (crc != frame_crc(length, body)) return Found::kBad;
  *payload = body;
  taken_ += kFrameHeadBytes + length;
  return Found::kFrame;
}

}  // namespace sluice::store
