#include <sluice/http/chunked.h>

#include <algorithm>

#include "byte_scan.h"
#include "head_faults.h"

namespace sluice::http {
namespace {

constexpr uint8_t kSizeDigitsMax = 16;

int hex_digit(char c) noexcept { return kHexDigits[static_cast<uint8_t>(c)]; }

}  // namespace

std::string_view write_chunk_head(std::span<char, kChunkHeadBytesMax> out,
                                  uint64_t payload_bytes) noexcept {
  SLUICE_ASSERT(payload_bytes > 0);
  size_t digits = 0;
  for (uint64_t rest = payload_bytes; rest != 0; rest >>= 4) ++digits;
  for (size_t i = digits; i-- > 0; payload_bytes >>= 4) {
    out[i] = "0123456789abcdef"[payload_bytes & 15];
  }
  out[digits] = '\r';
  out[digits + 1] = '\n';
  return {out.data(), digits + 2};
}

Unexpected ChunkedDecoder::fail(std::string_view detail) const noexcept {
  return side_ == Side::kDownstream ? sluice::fail(ErrorCode::kMalformedRequest, side_, detail)
                                    : sluice::fail(ErrorCode::kUpstreamProtocol, side_, detail);
}

Result<std::string_view> ChunkedDecoder::next(std::string_view bytes, size_t& at) noexcept {
  const std::string_view chunk = take_whole_chunk(bytes, at);
  if (!chunk.empty()) return chunk;
  while (at < bytes.size()) {
    if (stage_ == Stage::kPayload) {
      const size_t take = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size() - at));
      const std::string_view payload = bytes.substr(at, take);
      at += take;
      left_ -= take;
      if (left_ == 0) {
        stage_ = Stage::kPayloadCr;
        if (bytes.substr(at).starts_with(kChunkEnd)) {
          stage_ = Stage::kSizeStart;
          at += kChunkEnd.size();
        }
      }
      return payload;
    }
    if (stage_ == Stage::kFinished) break;
    const std::string_view fault =
        stage_ == Stage::kTrailers ? read_trailers(bytes, at) : read_framing_byte(bytes[at++]);
    if (!fault.empty()) return fail(fault);
  }
  return std::string_view();
}

std::string_view ChunkedDecoder::read_framing_byte(char c) noexcept {
  switch (stage_) {
    case Stage::kSizeStart:
    case Stage::kSize: return read_size_byte(c);
    case Stage::kExtensionGap:
    case Stage::kExtension:
    case Stage::kQuoted:
    case Stage::kEscaped: return read_extension_byte(c);
    case Stage::kSizeLf:
      if (c != '\n') return "chunk head ends in CR without LF";
      stage_ = left_ == 0 ? Stage::kTrailers : Stage::kPayload;
      return {};
    case Stage::kPayloadCr:
      if (c != '\r') return "chunk is longer than its size";
      stage_ = Stage::kPayloadLf;
      return {};
    case Stage::kPayloadLf:
      if (c != '\n') return "chunk ends in CR without LF";
      stage_ = Stage::kSizeStart;
      return {};
    case Stage::kPayload:
    case Stage::kTrailers:
    case Stage::kFinished: break;
  }
  SLUICE_ASSERT(false);
}

std::string_view ChunkedDecoder::read_size_byte(char c) noexcept {
  if (stage_ == Stage::kSizeStart) {
    left_ = 0;
    size_digits_ = 0;
    extension_bytes_ = 0;
  }
  const int digit = hex_digit(c);
  if (digit >= 0) {
    stage_ = Stage::kSize;
    if (++size_digits_ > kSizeDigitsMax) return "chunk size has too many digits";
    if (left_ >> 59 != 0) return "chunk size is 2^63 or more";
    left_ = left_ * 16 + static_cast<uint64_t>(digit);
    return {};
  }
  if (stage_ == Stage::kSizeStart) return "chunk size is not a hexadecimal number";
  if (c == '\r') {
    stage_ = Stage::kSizeLf;
    return {};
  }
  stage_ = Stage::kExtensionGap;
  return read_extension_byte(c);
}

std::string_view ChunkedDecoder::read_extension_byte(char c) noexcept {
  if (++extension_bytes_ > kExtensionBytesMax) return "chunk extension too long";
  switch (stage_) {
    case Stage::kExtensionGap:
      if (c == ';') {
        stage_ = Stage::kExtension;
        return {};
      }
      return c == ' ' || c == '\t' ? "" : "chunk size is not a hexadecimal number";
    case Stage::kExtension:
      if (c == '\r') {
        stage_ = Stage::kSizeLf;
      } else if (c == '"') {
        stage_ = Stage::kQuoted;
      } else if (!is_in(kTokenChar, c) && c != '=' && c != ';' && c != ' ' && c != '\t') {
        return "byte not allowed in a chunk extension";
      }
      return {};
    case Stage::kQuoted:
      if (!is_in(kValueChar, c)) return "byte not allowed in a chunk extension";
      if (c == '"') stage_ = Stage::kExtension;
      if (c == '\\') stage_ = Stage::kEscaped;
      return {};
    default:
      if (!is_in(kValueChar, c)) return "byte not allowed in a chunk extension";
      stage_ = Stage::kQuoted;
      return {};
  }
}

std::string_view ChunkedDecoder::read_trailers(std::string_view bytes, size_t& at) noexcept {
  if (trailers_ == Trailers::kRefused && trailer_bytes_ == 0 && bytes[at] != '\r') {
    return "trailers are refused here";
  }
  // No byte behind the bound is looked at, so that the outcome does not depend on the cuts.
  const size_t start = at;
  const size_t room = kTrailerBytesMax - trailer_bytes_;
  const bool at_limit = bytes.size() - at >= room;
  const ParseState state =
      trailer_lines_.advance(bytes.substr(0, at_limit ? at + room : bytes.size()), at, nullptr, 0);
  trailer_bytes_ += static_cast<uint32_t>(at - start);
  if (state == ParseState::kDone) {
    stage_ = Stage::kFinished;
    return {};
  }
  if (state == ParseState::kError) return trailer_lines_.fault()->detail;
  return at_limit ? "trailers too long" : "";
}

ChunkClosing ChunkedDecoder::closing() const noexcept {
  const auto close_head = [&](std::string_view before) -> ChunkClosing {
    // An extension behind a size of zero cannot be taken back, and one that is longer than what we
    // would take ourselves may end the connection of others, too.
    if (left_ == 0 || extension_bytes_ + before.size() - 1 > kExtensionBytesMax) return {};
    return {true, before, left_, kChunkEnd};
  };
  switch (stage_) {
    case Stage::kSizeStart: return {true, {}, 0, {}};
    case Stage::kSize:
      if (left_ != 0 || size_digits_ >= kSizeDigitsMax) return close_head("\r\n");
      // "0" is not yet the last chunk: one more digit makes it a chunk of one byte.
      return {true, "1\r\n", 1, kChunkEnd};
    case Stage::kExtensionGap: return close_head(";x\r\n");
    case Stage::kExtension: return close_head("x\r\n");
    case Stage::kQuoted: return close_head("\"\r\n");
    case Stage::kEscaped: return close_head("x\"\r\n");
    case Stage::kSizeLf: return close_head("\n");
    case Stage::kPayload: return {true, {}, left_, kChunkEnd};
    case Stage::kPayloadCr: return {true, {}, 0, kChunkEnd};
    case Stage::kPayloadLf: return {true, {}, 0, kChunkEnd.substr(1)};
    case Stage::kTrailers:
    case Stage::kFinished: break;
  }
  return {};
}

}  // namespace sluice::http
