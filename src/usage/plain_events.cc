#include <sluice/usage/plain_events.h>

#include <bit>
#include <cstring>

#include <sluice/http/whole_chunk.h>

#include "walked_event.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sluice::usage {
namespace {

constexpr size_t npos = std::string_view::npos;

bool ends_text(char c) noexcept { return c == '"' || static_cast<uint8_t>(c) < 0x20; }

// The first quote or control byte at or behind `at`; text.size() when there is none.
size_t find_text_end(std::string_view text, size_t at) noexcept {
#if defined(__SSE2__)
  const auto ends_among = [&text](size_t from) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + from));
    const __m128i is_control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    return _mm_or_si128(is_control, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
  };
  for (; at + 32 <= text.size(); at += 32) {
    const auto low = static_cast<uint32_t>(_mm_movemask_epi8(ends_among(at)));
    const auto high = static_cast<uint32_t>(_mm_movemask_epi8(ends_among(at + 16)));
    if (const uint32_t ends = low | high << 16; ends != 0) {
      return at + static_cast<size_t>(std::countr_zero(ends));
    }
  }
#endif
  while (at < text.size() && !ends_text(text[at])) ++at;
  return at;
}

}  // namespace

void PlainEvents::learn(std::string_view span) noexcept {
  if (const WalkedEvent event(span, 0); event.end() != npos) learn(event);
}

void PlainEvents::learn(const WalkedEvent& event) noexcept {
  constexpr std::string_view kBeforeText = ":{\"content\":\"";
  if (times_learned_ == kLearnedMax || !event.is_plain() || event.usage() != npos) return;
  const std::string_view whole = event.text();
  const size_t text_begin = event.delta() - event.begin() + kBeforeText.size();
  const size_t text_end = find_text_end(whole, text_begin);
  if (text_end == whole.size() || whole[text_end] != '"' || whole[text_end - 1] == '\\') return;
  const std::string_view before = whole.substr(0, text_begin);
  const std::string_view behind = whole.substr(text_end);
  if (before.size() > kBeforeMax || behind.size() > kBehindMax) return;
  // Behind the text its member must end, or with a colon the text would be a key of its own.
  if (behind[1] != ',' && behind[1] != '}') return;
  ++times_learned_;
  before_bytes_ = static_cast<uint32_t>(before.size());
  behind_bytes_ = static_cast<uint32_t>(behind.size());
  std::memcpy(before_.data(), before.data(), before.size());
  std::memcpy(behind_.data(), behind.data(), behind.size());
}

size_t PlainEvents::match_one(std::string_view span, size_t begin) const noexcept {
  if (span.size() - begin < size_t{before_bytes_} + behind_bytes_) return npos;
  const char* const event = span.data() + begin;
  if (std::memcmp(event, before_.data(), before_bytes_) != 0) return npos;
  const size_t text_begin = begin + before_bytes_;
  const size_t text_end = find_text_end(span, text_begin);
  if (text_end == text_begin || span.size() - text_end < behind_bytes_) return npos;
  if (span[text_end - 1] == '\\') return npos;
  const char* const behind = span.data() + text_end;
  if (std::memcmp(behind, behind_.data(), behind_bytes_) != 0) return npos;
  return text_end + behind_bytes_;
}

http::EventFilter::PlainChunks PlainEvents::find_chunks(std::string_view bytes,
                                                        size_t begin) const noexcept {
  http::EventFilter::PlainChunks found{.end = begin};
  if (before_bytes_ == 0) return found;
  for (size_t at = begin;;) {
    const std::string_view chunk = http::find_whole_chunk(bytes, at);
    size_t matched = 0;
    uint32_t events = 0;
    for (; matched < chunk.size(); ++events) {
      const size_t end = match_one(chunk, matched);
      if (end == npos) return found;
      matched = end;
    }
    if (events == 0) return found;
    found.end = at;
    found.events += events;
    found.payload_bytes += chunk.size();
    found.last = chunk;
  }
}

PlainEvents::Run PlainEvents::match(std::string_view span, size_t begin) const noexcept {
  Run run{.end = begin, .events = 0};
  if (before_bytes_ == 0) return run;
  for (size_t end; (end = match_one(span, run.end)) != npos; ++run.events) run.end = end;
  return run;
}

}  // namespace sluice::usage
