// Turns the fields of an HTTP/2 request into the text of an HTTP/1.1 head.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <sluice/http/head.h>

namespace sluice::http {

// One parser then judges both: what is forwarded and looked at is the same, whatever the client
// speaks. The request line needs the pseudo-fields, which come first (RFC 9113 8.3); the fields
// of one head are added in their order.
class Http2HeadText {
 public:
  // `room` must outlive it.
  Http2HeadText(std::span<char> room, HeadLimits limits) noexcept;

  void add(std::string_view name, std::string_view value) noexcept;
  // The whole head; empty when it is too large or has too many fields.
  [[nodiscard]] std::string_view finish() noexcept;

 private:
  void append(std::string_view text) noexcept;
  void begin_lines() noexcept;
  void add_cookie(std::string_view value) noexcept;
  void add_pseudo(std::string_view name, std::string_view value) noexcept;
  // Moves pseudo-fields out of what may change while a head is read.
  [[nodiscard]] std::string_view keep(std::string_view text) noexcept;

  std::span<char> room_;
  HeadLimits limits_;
  size_t size_ = 0;
  size_t tail_;  // Pseudo-fields are kept behind it until the request line is written.
  std::string_view method_;
  std::string_view path_;
  std::string_view authority_;
  size_t cookie_end_ = 0;  // Behind the value of the cookie line; 0 without one.
  uint32_t count_ = 0;
  bool has_begun_ = false;
  bool is_too_large_ = false;
};

}  // namespace sluice::http
