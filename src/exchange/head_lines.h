// How the head of every answer begins: what browsers must know of it, and its request's id.
#pragma once

#include <string_view>

#include <sluice/exchange/generation.h>
#include <sluice/http/request_parser.h>
#include <sluice/http/response_sink.h>

namespace sluice::exchange {

// What stands in the head of each answer to one request. Views of its generation and settlement.
struct HeadLines {
  std::string_view request_id;
  std::string_view shared{};  // Whole lines of every answer.
  std::string_view page{};    // The same for the page of a browser that may read it; else empty.
};

// `is_readable` is false for a head that was refused: nothing in it can be relied on.
[[nodiscard]] HeadLines head_lines_for(const Generation& generation, const http::RequestHead& head,
                                       bool is_readable, std::string_view request_id) noexcept;

// Begins an answer's head. `bytes_hint` is about how long the other fields will be.
void begin_head(http::ResponseSink& client, uint16_t status, size_t bytes_hint,
                const HeadLines& lines) noexcept;

// Whether a page of a browser asks what it may send, before it does.
[[nodiscard]] bool is_preflight(const Generation& generation,
                                const http::RequestHead& head) noexcept;

// Whether a field of an upstream's answer is one that only we may send to browsers.
[[nodiscard]] bool is_for_browsers(const http::HeaderField& field) noexcept;

}  // namespace sluice::exchange
