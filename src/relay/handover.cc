#include "handover.h"

#include <cstring>
#include <utility>

namespace sluice::relay {
namespace {

// Blank lines: a reader of an event stream ignores them.
constexpr auto kNewlines = [] {
  std::array<char, 4096> text{};
  text.fill('\n');
  return text;
}();

// Whether a stream that ends in `tail` stands behind a blank line.
bool ends_event(const std::array<char, 4>& tail) noexcept {
  size_t at = tail.size();
  for (int line_ends = 0; line_ends < 2; ++line_ends) {
    if (at == 0) return false;
    const char last = tail[--at];
    if (last == '\n' && at > 0 && tail[at - 1] == '\r') {
      --at;
    } else if (last != '\n' && last != '\r') {
      return false;
    }
  }
  return true;
}

}  // namespace

bool Handover::put(std::string_view piece, Batch& batch, bool copy) noexcept {
  if (copy || batch.prefers_copy(piece)) return batch.add_copy(piece);
  input_is_referenced_ = true;
  batch.add(piece);
  return true;
}

void Handover::put_whole(std::string_view piece, Batch& batch, bool copy) noexcept {
  if (piece.empty()) return;
  // No memory for a copy costs only that the buffer is held instead.
  if (copy && batch.add_copy(piece)) return;
  input_is_referenced_ = true;
  batch.add(piece);
}

void Handover::note_span(std::string_view span) noexcept {
  passed_->add_span(span);
  payload_bytes_ += span.size();
  note_tail(span);
}

void Handover::note_tail(std::string_view span) noexcept {
  if (span.size() >= tail_.size()) {
    std::memcpy(tail_.data(), span.data() + span.size() - tail_.size(), tail_.size());
    return;
  }
  if (span.empty()) return;
  std::memmove(tail_.data(), tail_.data() + span.size(), tail_.size() - span.size());
  std::memcpy(tail_.data() + tail_.size() - span.size(), span.data(), span.size());
}

Result<void> Handover::hand_over(io::Buffer& input, Batch& batch, bool copy,
                                 Passed& passed) noexcept {
  passed_ = &passed;
  const std::string_view bytes = input.bytes();
  const Result<size_t> used = output_ == Output::kVerbatim ? hand_over_verbatim(bytes, batch, copy)
                                                           : hand_over_reframed(bytes, batch, copy);
  if (used) {
    has_excess_ = has_excess_ || (decoder_.is_finished() && *used < bytes.size());
    const bool is_used_up = *used == bytes.size() || decoder_.is_finished();
    input.remove_prefix(is_used_up ? bytes.size() : *used);
    if (!is_used_up) return {};
  }
  // What was only copied stays with the caller until the tap has seen it.
  if (std::exchange(input_is_referenced_, false)) batch.hold(std::move(input));
  if (!used) return std::unexpected(used.error());
  return {};
}

Result<size_t> Handover::hand_over_verbatim(std::string_view bytes, Batch& batch,
                                            bool copy) noexcept {
  size_t at = 0;
  while (at < bytes.size() && !passed_->is_full() && !decoder_.is_finished()) {
    const size_t begun = at;
    const Result<std::string_view> span = decoder_.next(bytes, at);
    if (!span) {
      // The framing was right up to the byte that broke it. The client gets that much: where it
      // stands is what the decoder can close.
      put_whole(bytes.substr(0, decoder_.closing().possible ? at - 1 : begun), batch, copy);
      return std::unexpected(span.error());
    }
    if (!span->empty()) note_span(*span);
  }
  is_ended_ = decoder_.is_finished();
  put_whole(bytes.substr(0, at), batch, copy);
  return at;
}

bool Handover::is_between_all() const noexcept {
  // The LF of an event that was dropped behind its CR may come, and is to be dropped too.
  return decoder_.is_between_chunks() && scanner_.at_event_boundary() && held_bytes_ == 0 &&
         !(ended_in_cr_ && was_dropped_);
}

size_t Handover::hand_over_untouched(std::string_view bytes, Batch& batch, bool copy) noexcept {
  // Without chunks of its own the upstream's body has no framing that could go on.
  if (!decoder_.is_chunked() || !is_between_all()) return 0;
  BodyDecoder ahead = decoder_;
  std::string_view last;
  size_t whole = 0;  // Up to here all is handed over; what is cut or must be asked about is not.
  size_t kept = 0;   // From here to `whole` all goes on and is not in the batch yet.
  while (whole < bytes.size() && !passed_->is_full() && batch.has_piece_room() &&
         !decoder_.is_finished()) {
    if (scanner_.is_between_events()) {
      const auto plain = filter_->find_plain_chunks(bytes, whole);
      passed_->add_plain_events(plain.events);
      payload_bytes_ += plain.payload_bytes;
      if (plain.events > 0) last = plain.last;
      whole = plain.end;
      if (whole == bytes.size()) break;
    }
    size_t at = whole;
    std::string_view span = ahead.take_whole_chunk(bytes, at);
    const bool is_usual = !span.empty();
    if (!is_usual) {
      const Result<std::string_view> next = ahead.next(bytes, at);
      if (!next || !ahead.is_between_chunks()) break;
      span = *next;
    }
    const Whole look = span.empty() ? Whole{Whole::kGoesOn} : look_at_whole(span);
    if (look.kind == Whole::kCut) break;
    if (look.kind == Whole::kDropped) {
      put_whole(bytes.substr(kept, whole - kept), batch, copy);
      kept = at;
    }
    whole = at;
    if (!is_usual) decoder_ = ahead;  // A usual chunk leaves it as it is.
    if (span.empty()) continue;
    passed_->add_plain_events(look.plain_events);
    payload_bytes_ += span.size();
    if (look.plain_events == 0) passed_->add_span(span);
    last = span;
  }
  if (whole == 0) return 0;
  note_tail(last);
  is_ended_ = decoder_.is_finished();
  was_dropped_ = false;
  if (!last.empty()) ended_in_cr_ = last.back() == '\r';
  put_whole(bytes.substr(kept, whole - kept), batch, copy);
  return whole;
}

Handover::Whole Handover::look_at_whole(std::string_view span) noexcept {
  using Look = http::EventFilter::Look;
  const Look look = filter_->look_at(span);
  if (look.kind == Look::kMayChange) return {Whole::kCut};
  if (look.kind == Look::kAllPlain && scanner_.is_between_events()) {
    return {Whole::kGoesOn, look.plain_events};
  }
  http::EventScanner scanner = scanner_;
  const size_t first_end = scanner.next_end(span, 0);
  for (size_t end = first_end; end != http::EventScanner::npos;) end = scanner.next_end(span, end);
  // The filter's look at one span says nothing of an event that several share.
  if (!scanner.at_event_boundary()) return {Whole::kCut};
  bool is_dropped = false;
  if (look.kind == Look::kAsk) {
    // Behind the CR of one that is dropped an LF may come, which is to be dropped too.
    if (first_end != span.size() || span.back() != '\n') return {Whole::kCut};
    is_dropped = !filter_->keeps(span);
  }
  scanner_ = scanner;
  return {is_dropped ? Whole::kDropped : Whole::kGoesOn};
}

Result<size_t> Handover::hand_over_reframed(std::string_view bytes, Batch& batch,
                                            bool copy) noexcept {
  if (filter_ != nullptr && output_ == Output::kChunked && decoder_.is_chunked()) {
    if (const size_t used = hand_over_untouched(bytes, batch, copy); used > 0) return used;
  }
  // Behind a chunk or event that was cut, the rest may go on untouched again.
  const bool is_cut = filter_ != nullptr && !is_between_all();
  const size_t place = output_ == Output::kChunked ? batch.open_chunk() : 0;
  size_t at = 0;
  std::optional<Error> failure;
  while (at < bytes.size() && !passed_->is_full() && batch.has_piece_room() &&
         !decoder_.is_finished()) {
    const Result<std::string_view> span = decoder_.next(bytes, at);
    if (!span) {
      failure = span.error();
      break;
    }
    if (span->empty()) continue;
    note_span(*span);
    const bool is_put =
        filter_ != nullptr ? filter_span(*span, batch, copy) : put(*span, batch, copy);
    if (!is_put) {
      failure = Error{ErrorCode::kOverloaded, Side::kSelf, Retry::kNever, "no memory for an event"};
      break;
    }
    if (is_cut && is_between_all()) break;
  }
  if (output_ == Output::kChunked) batch.close_chunk(place);
  if (failure) return std::unexpected(*failure);
  return at;
}

bool Handover::filter_span(std::string_view span, Batch& batch, bool copy) noexcept {
  // The LF of a CRLF that was cut behind the CR: its event has gone, so it must not wait for the
  // next; and where its event was dropped it goes the same way.
  if (ended_in_cr_ && held_bytes_ == 0 && !passes_event_ && span.front() == '\n') {
    ended_in_cr_ = false;
    if (!was_dropped_ && !put(span.substr(0, 1), batch, copy)) return false;
    (void)scanner_.next_end(span.substr(0, 1), 0);
    span.remove_prefix(1);
  }
  ended_in_cr_ = !span.empty() && span.back() == '\r';
  const http::EventFilter::Look::Kind look = filter_->look_at(span).kind;
  const bool is_asked =
      look == http::EventFilter::Look::kAsk || look == http::EventFilter::Look::kMayChange;
  size_t kept_from = 0;  // Start of the run of events that go on together.
  size_t from = 0;
  for (;;) {
    const size_t end = scanner_.next_end(span, from);
    if (end == http::EventScanner::npos) break;
    if (held_bytes_ > 0) {
      if (!end_held_event(span.substr(from, end - from), batch)) return false;
      kept_from = end;
    } else if (passes_event_) {
      passes_event_ = was_dropped_ = false;
    } else if (http::EventPieces instead;
               is_asked && !filter_->keeps_whole(span.substr(from, end - from), instead)) {
      if (!put(span.substr(kept_from, from - kept_from), batch, copy)) return false;
      if (!put_instead(instead, batch, copy)) return false;
      kept_from = end;
    } else {
      was_dropped_ = false;
    }
    from = end;
  }
  const std::string_view part = span.substr(from);
  if (passes_event_) return put(span.substr(kept_from), batch, copy);
  if (!put(span.substr(kept_from, from - kept_from), batch, copy)) return false;
  return part.empty() || hold_event_part(part, batch);
}

bool Handover::put_instead(const http::EventPieces& instead, Batch& batch, bool copy) noexcept {
  was_dropped_ = instead.is_empty();
  for (const std::string_view piece : instead.pieces()) {
    if (copy ? !batch.add_copy(piece) : !put(piece, batch, false)) return false;
  }
  return true;
}

bool Handover::end_held_event(std::string_view rest, Batch& batch) noexcept {
  if (held_bytes_ + rest.size() > kHeldEventMax) {
    // Too large to be an event that the filter looks for, unless it says otherwise.
    if (!filter_->passes_unasked()) return false;
    const std::string_view begun(held_.data(), held_bytes_);
    held_bytes_ = 0;
    was_dropped_ = false;
    return batch.add_copy(begun) && batch.add_copy(rest);
  }
  std::memcpy(held_.data() + held_bytes_, rest.data(), rest.size());
  const std::string_view event(held_.data(), held_bytes_ + rest.size());
  held_bytes_ = 0;
  http::EventPieces instead;
  if (!filter_->keeps_whole(event, instead)) return put_instead(instead, batch, true);
  was_dropped_ = false;
  return batch.add_copy(event);
}

bool Handover::hold_event_part(std::string_view part, Batch& batch) noexcept {
  if (held_bytes_ + part.size() > kHeldEventMax) {
    if (!filter_->passes_unasked()) return false;
    const std::string_view begun(held_.data(), held_bytes_);
    held_bytes_ = 0;
    passes_event_ = true;
    return batch.add_copy(begun) && batch.add_copy(part);
  }
  if (!held_.is_held()) held_ = blocks_.take(kHeldEventMax);
  if (!held_.is_held()) return false;
  std::memcpy(held_.data() + held_bytes_, part.data(), part.size());
  held_bytes_ += part.size();
  return true;
}

void Handover::finish(Batch& batch) noexcept {
  if (held_bytes_ > 0) {
    // The stream ended without a blank line; what is there is the client's all the same.
    const size_t place = output_ == Output::kChunked ? batch.open_chunk() : 0;
    [[maybe_unused]] const bool is_put = batch.add_copy({held_.data(), held_bytes_});
    held_bytes_ = 0;
    if (output_ == Output::kChunked) batch.close_chunk(place);
  }
  if (output_ == Output::kChunked && !is_ended_) batch.add(http::kLastChunk);
  is_ended_ = true;
}

bool Handover::write_broken_event(Batch& batch, std::string_view event) noexcept {
  if (is_ended_ || event.empty()) return false;
  if (output_ != Output::kVerbatim) {
    if (!stands_between_events()) return false;
    const size_t place = output_ == Output::kChunked ? batch.open_chunk() : 0;
    batch.add(event);
    if (output_ == Output::kChunked) batch.close_chunk(place);
    return true;
  }
  if (!decoder_.is_chunked() || !ends_event(tail_)) return false;
  const http::ChunkClosing closing = decoder_.closing();
  if (!closing.possible || closing.fill_bytes > event.size() + kFillMax) return false;
  batch.add(closing.before);
  // The open chunk is completed with the event's own first bytes, then with blank lines.
  const std::string_view inside =
      event.substr(0, static_cast<size_t>(std::min<uint64_t>(closing.fill_bytes, event.size())));
  batch.add(inside);
  batch.add({kNewlines.data(), static_cast<size_t>(closing.fill_bytes) - inside.size()});
  batch.add(closing.after);
  const size_t place = batch.open_chunk();
  batch.add(event.substr(inside.size()));
  batch.close_chunk(place);
  return true;
}

bool Handover::stands_between_events() const noexcept {
  if (is_ended_) return false;
  // A held beginning of an event never went out, so the client stands before it.
  if (filter_ != nullptr) return !passes_event_;
  if (!ends_event(tail_)) return false;
  // A body of a length that was promised has no room for more.
  return output_ != Output::kVerbatim || (decoder_.is_chunked() && decoder_.is_between_chunks());
}

void Handover::write_comment(Batch& batch, std::string_view comment) noexcept {
  const bool is_bare = output_ == Output::kPlain;
  const size_t place = is_bare ? 0 : batch.open_chunk();
  batch.add(comment);
  if (!is_bare) batch.close_chunk(place);
}

}  // namespace sluice::relay
