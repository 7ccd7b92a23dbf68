// Finds the payload of a body and its end, whatever its framing.
#pragma once

#include <algorithm>
#include <string_view>

#include <sluice/http/chunked.h>
#include <sluice/http/head.h>

namespace sluice::relay {

// Copyable, so that a reader can look ahead and come back.
class BodyDecoder {
 public:
  explicit BodyDecoder(http::BodyFraming framing) noexcept
      : kind_(framing.kind), left_(framing.length), chunked_(Side::kUpstream) {}

  // As ChunkedDecoder::next(), for every framing.
  [[nodiscard]] Result<std::string_view> next(std::string_view bytes, size_t& at) noexcept {
    if (kind_ == http::BodyKind::kChunked) return chunked_.next(bytes, at);
    std::string_view span = bytes.substr(at);
    if (kind_ != http::BodyKind::kUntilClose) {
      span = span.substr(0, static_cast<size_t>(std::min<uint64_t>(left_, span.size())));
      left_ -= span.size();
    }
    at += span.size();
    return span;
  }

  // As ChunkedDecoder::take_whole_chunk(); only for a chunked body.
  [[nodiscard]] std::string_view take_whole_chunk(std::string_view bytes,
                                                  size_t& at) const noexcept {
    return chunked_.take_whole_chunk(bytes, at);
  }

  [[nodiscard]] bool is_finished() const noexcept {
    switch (kind_) {
      case http::BodyKind::kNone: return true;
      case http::BodyKind::kLength: return left_ == 0;
      case http::BodyKind::kChunked: return chunked_.finished();
      case http::BodyKind::kUntilClose: return closed_;
    }
    return true;
  }
  // The upstream closed; false when that cuts the body short.
  [[nodiscard]] bool close() noexcept {
    closed_ = true;
    return is_finished();
  }
  [[nodiscard]] bool is_chunked() const noexcept { return kind_ == http::BodyKind::kChunked; }
  [[nodiscard]] bool is_between_chunks() const noexcept {
    return chunked_.at_chunk_boundary() || chunked_.finished();
  }
  [[nodiscard]] http::ChunkClosing closing() const noexcept { return chunked_.closing(); }

 private:
  http::BodyKind kind_;
  bool closed_ = false;
  uint64_t left_;
  http::ChunkedDecoder chunked_;
};

}  // namespace sluice::relay
