#include <sluice/usage/plain_events.h>

#include <cstring>

#include <sluice/http/whole_chunk.h>

#include "plain_match.h"
#include "walked_event.h"

namespace sluice::usage {

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
  if (before.size() > LearnedEvent::kBeforeMax || behind.size() > LearnedEvent::kBehindMax) return;
  // Behind the text its member must end, or with a colon the text would be a key of its own.
  if (behind[1] != ',' && behind[1] != '}') return;
  ++times_learned_;
  learned_.before_bytes = static_cast<uint32_t>(before.size());
  learned_.behind_bytes = static_cast<uint32_t>(behind.size());
  std::memcpy(learned_.before.data(), before.data(), before.size());
  std::memcpy(learned_.behind.data(), behind.data(), behind.size());
}

http::EventFilter::PlainChunks PlainEvents::find_chunks(std::string_view bytes,
                                                        size_t begin) const noexcept {
  http::EventFilter::PlainChunks found{.end = begin};
  if (learned_.before_bytes == 0) return found;
  for (size_t at = begin;;) {
    const std::string_view chunk = http::find_whole_chunk(bytes, at);
    size_t matched = 0;
    uint32_t events = 0;
    for (; matched < chunk.size(); ++events) {
      const size_t end = match_event(chunk, matched, learned_);
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
  if (learned_.before_bytes == 0) return run;
  for (size_t end; (end = match_event(span, run.end, learned_)) != npos; ++run.events)
    run.end = end;
  return run;
}

}  // namespace sluice::usage
