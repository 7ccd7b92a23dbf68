#include <sluice/relay/relay.h>

#include <algorithm>
#include <array>

#include <sluice/base/assert.h>
#include <sluice/http/chunked.h>
#include <sluice/io/timer.h>
#include <sluice/relay/send_watch.h>

#include "batch.h"
#include "handover.h"

namespace sluice::relay {
namespace {

// A piece below this is copied out when a send is in flight, so that tokens behind a slow client do
// not pin 16 KiB each.
constexpr size_t kCopyBehindSendBelow = 2048;

// Receive buffers that slow clients may pin. Beyond it what waits for a client is copied out, and
// little of it: else their streams could hold all buffers, and nobody's bytes would arrive.
constexpr uint32_t kPinnedMax = io::BufferLimits{}.most / 8;
constexpr size_t kHeldWhenScarceMax = 8 * 1024;

Handover::Output choose_output(const RelayOptions& options, const http::ResponseSink& downstream,
                               bool has_filter) noexcept {
  using http::BodyKind;
  const BodyKind kind = options.framing.kind;
  if (!has_filter && (kind == BodyKind::kLength || kind == BodyKind::kNone)) {
    return Handover::Output::kVerbatim;
  }
  if (downstream.stream_framing() == http::ResponseSink::Framing::kBare) {
    return Handover::Output::kPlain;
  }
  if (has_filter || kind == BodyKind::kUntilClose) return Handover::Output::kChunked;
  return Handover::Output::kVerbatim;
}

// The kinds of failure after which another upstream may do better.
bool is_upstreams_failure(RelayEnd end) noexcept {
  return end == RelayEnd::kUpstreamLost || end == RelayEnd::kUpstreamMalformed ||
         end == RelayEnd::kUpstreamStalled || end == RelayEnd::kFirstTokenLate;
}

// The state of one relay, in the frame of relay_body().
class Relay {
 public:
  Relay(net::Stream& upstream, io::Buffer first, http::ResponseSink& downstream,
        http::EventFilter* filter, http::EventTap* tap, io::BlockPool& blocks,
        const RelayOptions& options) noexcept
      : timer(upstream.ring().ready(), upstream.ring().timers()),
        upstream_(upstream),
        downstream_(downstream),
        filter_(filter),
        tap_(tap),
        options_(options),
        input_(std::move(first)),
        handover_(options.framing, choose_output(options, downstream, filter != nullptr), filter,
                  blocks),
        batches_{Batch(blocks), Batch(blocks)},
        clock_(options.first_token_deadline.sooner(options.total_deadline)),
        head_pending_(!options.continues),
        upstream_moved_at_(now()),
        downstream_moved_at_(now()) {
    SLUICE_ASSERT(!options.may_resume || filter != nullptr);
    SLUICE_ASSERT(options.more.empty() || !input_.is_empty());
    // A head that came alone must not pin its buffer until the first token.
    if (input_.is_empty()) {
      input_.release();
    } else {
      result_.first_byte_at = now();
    }
  }

  // Moves forward what can move: input into batches, a batch into a send, room into a receive.
  void advance() noexcept;
  // Takes in what has completed since.
  void collect() noexcept;

  [[nodiscard]] bool is_over() const noexcept { return is_ended_ && !downstream_.is_sending(); }
  // Null for what must not be waited for.
  [[nodiscard]] io::Event* upstream_event() noexcept {
    return is_receiving_ ? &upstream_.received() : nullptr;
  }
  [[nodiscard]] io::Event* downstream_event() noexcept {
    return downstream_.is_sending() ? &downstream_.sent() : nullptr;
  }
  [[nodiscard]] io::Event* interruption_event() noexcept {
    return is_ended_ || is_cut_ ? nullptr : &downstream_.interrupted();
  }
  [[nodiscard]] RelayResult result() noexcept;

  io::Timer timer;

 private:
  [[nodiscard]] MonoTime now() noexcept { return upstream_.ring().now(); }
  [[nodiscard]] Batch& filling() noexcept { return batches_[filling_]; }
  [[nodiscard]] Batch& sending() noexcept { return batches_[1 - filling_]; }
  [[nodiscard]] bool are_buffers_scarce() noexcept {
    return upstream_.ring().buffers().in_use() > kPinnedMax;
  }
  [[nodiscard]] size_t held_bytes() noexcept {
    return filling().bytes() + (downstream_.is_sending() ? sending().bytes() : 0);
  }
  [[nodiscard]] bool has_room() noexcept {
    return filling().has_room() && held_bytes() < options_.held_bytes_max;
  }
  [[nodiscard]] bool wants_more() noexcept {
    return has_room() && (held_bytes() < kHeldWhenScarceMax || !are_buffers_scarce());
  }

  // Whether `clock_` runs: not against what waits to be looked at.
  [[nodiscard]] bool is_timed() const noexcept {
    return !is_input_over_ && (input_.is_empty() || !options_.is_event_stream);
  }
  // Whether a comment could go out now.
  [[nodiscard]] bool has_place_for_ping() noexcept {
    return options_.ping > Duration::zero() && options_.is_event_stream && !is_input_over_ &&
           !downstream_.is_sending() && input_.is_empty() && filling().is_empty() &&
           handover_.stands_between_events();
  }

  void take_input() noexcept;
  // The input is the next buffer of those received before.
  [[gnu::noinline]] void take_more() noexcept {
    input_ = std::move(options_.more.front());
    options_.more = options_.more.subspan(1);
  }
  // What only the beginning of a body, and one that may be resumed, need after each input.
  [[gnu::noinline]] void watch(const Result<void>& handed) noexcept;
  void note_content() noexcept;
  void start_sending() noexcept;
  void start_receiving() noexcept;
  void set_timer() noexcept;
  [[nodiscard, gnu::noinline]] Deadline own_deadline() noexcept;
  void collect_upstream() noexcept;
  void collect_timeout() noexcept;
  // The upstream's part is over; what is in hand still goes out.
  void end_input(RelayEnd end) noexcept;
  // Nothing more is sent.
  void end_all(RelayEnd end) noexcept;

  net::Stream& upstream_;
  http::ResponseSink& downstream_;
  http::EventFilter* filter_;
  http::EventTap* tap_;
  RelayOptions options_;
  io::Buffer input_;
  Handover handover_;
  std::array<Batch, 2> batches_;
  size_t filling_ = 0;
  RelayResult result_;
  bool is_input_over_ = false;
  bool is_tail_written_ = false;  // The end of the body, or of a broken stream, is in a batch.
  bool is_ended_ = false;
  bool is_receiving_ = false;
  bool is_cut_ = false;  // The shard's order to end was heard.
  bool has_lost_bytes_ = false;
  bool awaits_content_ = true;
  bool is_watched_ = true;
  bool has_own_clocks_ = true;  // Any but those of the two sides.
  Deadline clock_;              // The sooner of the two that still run.
  bool head_pending_;           // The head has not been sent; alone if no byte comes with it.
  MonoTime upstream_moved_at_;
  MonoTime downstream_moved_at_;
  uint64_t acknowledged_ = 0;
};

void Relay::take_input() noexcept {
  while (!input_.is_empty() && !is_input_over_) {
    // All of an input goes out in one send where there is room; the ring submits it with this turn.
    if (!has_room()) start_sending();
    if (!has_room()) break;
    const bool is_small_behind_send =
        downstream_.is_sending() && input_.bytes().size() < kCopyBehindSendBelow;
    const bool copy = is_small_behind_send || are_buffers_scarce();
    Passed passed;
    const Result<void> handed = handover_.hand_over(input_, filling(), copy, passed);
    if (tap_ != nullptr) {
      if (passed.plain_events() > 0) tap_->on_plain_events(passed.plain_events());
      for (const std::string_view span : passed.spans()) tap_->on_span(span);
    }
    if (input_.is_empty()) input_.release();
    if (is_watched_) watch(handed);
    if (!handed) {
      end_input(RelayEnd::kUpstreamMalformed);
    } else if (handover_.is_finished()) {
      end_input(RelayEnd::kFinished);
    } else if (!options_.more.empty() && input_.is_empty()) {
      take_more();
    }
  }
}

void Relay::watch(const Result<void>& handed) noexcept {
  if (awaits_content_) note_content();
  is_watched_ = awaits_content_ || options_.may_resume || options_.tap_may_end;
  if (options_.tap_may_end && tap_->must_end()) return end_input(RelayEnd::kTapEnded);
  if (!options_.may_resume) return;
  using Standing = http::EventFilter::Standing;
  switch (filter_->standing()) {
    case Standing::kGoesOn: break;
    case Standing::kLost: end_input(RelayEnd::kUpstreamLost); return;
    case Standing::kDiffers: end_input(RelayEnd::kUpstreamDiffers); return;
  }
  // Without memory the filter has passed what the client did not get.
  has_lost_bytes_ = !handed && handed.error().code == ErrorCode::kOverloaded;
}

void Relay::note_content() noexcept {
  const bool is_judged = options_.is_event_stream && tap_ != nullptr;
  if (is_judged ? !tap_->has_content() : handover_.payload_bytes() == 0) return;
  awaits_content_ = false;
  result_.first_content_at = now();
  if (options_.content_listener != nullptr) options_.content_listener->on_content(now());
  clock_ = options_.is_event_stream ? Deadline::never() : options_.total_deadline;
  has_own_clocks_ = !clock_.is_never() || options_.ping > Duration::zero();
}

void Relay::end_input(RelayEnd end) noexcept {
  if (is_input_over_) return;
  if (end == RelayEnd::kFinished && options_.may_resume && !filter_->is_complete()) {
    end = RelayEnd::kUpstreamLost;
  }
  is_input_over_ = true;
  is_receiving_ = false;
  result_.end = end;
  // Emptied, not given back: a send in flight may read a part of it that was handed over already.
  input_.remove_prefix(input_.bytes().size());
  if (end == RelayEnd::kFinished && tap_ != nullptr) tap_->on_end();
}

void Relay::end_all(RelayEnd end) noexcept {
  result_.end = end;
  is_input_over_ = is_tail_written_ = is_ended_ = true;
  is_receiving_ = false;
  // It may be ready in the same turn, and nobody looks at it any more: whoever waits for the last
  // send would then never sleep.
  timer.clear();
  if (result_.gone_at == MonoTime::max()) result_.gone_at = now();
  downstream_.abort();
}

void Relay::start_sending() noexcept {
  if (downstream_.is_sending() || is_ended_) return;
  if (filling().is_empty() && !head_pending_) return;
  head_pending_ = false;
  downstream_moved_at_ = now();
  downstream_.send(filling().slices());
  filling_ = 1 - filling_;
}

void Relay::start_receiving() noexcept {
  if (is_input_over_ || is_receiving_ || !input_.is_empty() || !wants_more()) return;
  is_receiving_ = true;
  upstream_moved_at_ = now();
  upstream_.start_receive();
}

void Relay::advance() noexcept {
  if (is_ended_) return;
  if (!is_input_over_ && handover_.is_finished()) end_input(RelayEnd::kFinished);
  take_input();
  if (is_input_over_ && !is_tail_written_ && input_.is_empty() &&
      (filling().is_empty() || filling().has_room())) {
    is_tail_written_ = true;
    if (result_.end == RelayEnd::kFinished) {
      handover_.finish(filling());
    } else if (options_.may_resume && is_upstreams_failure(result_.end)) {
      result_.is_resumable = !has_lost_bytes_ && handover_.stands_between_events();
    }
    if (result_.end != RelayEnd::kFinished && !result_.is_resumable && options_.is_event_stream) {
      const std::string_view event = event_of(result_.end, options_.broken_events);
      [[maybe_unused]] const bool is_written = handover_.write_broken_event(filling(), event);
    }
  }
  start_sending();
  start_receiving();
  if (is_tail_written_ && !downstream_.is_sending()) {
    is_ended_ = true;
    if (result_.end != RelayEnd::kFinished && !result_.is_resumable) downstream_.abort();
  }
  set_timer();
}

Deadline Relay::own_deadline() noexcept {
  Deadline deadline;
  if (is_timed()) deadline = clock_;
  if (!has_place_for_ping()) return deadline;
  return deadline.sooner(Deadline::after(downstream_moved_at_, options_.ping));
}

void Relay::set_timer() noexcept {
  Deadline deadline;
  if (is_receiving_) deadline = Deadline::after(upstream_moved_at_, options_.idle_max);
  if (downstream_.is_sending()) {
    deadline = deadline.sooner(Deadline::after(downstream_moved_at_, options_.stall_max));
  }
  if (has_own_clocks_) deadline = deadline.sooner(own_deadline());
  timer.set(deadline);
}

void Relay::collect_upstream() noexcept {
  is_receiving_ = false;
  Result<io::Buffer> received = upstream_.take_received();
  upstream_moved_at_ = now();
  if (received && !received->is_empty()) {
    if (result_.first_byte_at == MonoTime::max()) result_.first_byte_at = now();
    input_ = std::move(*received);
    return;
  }
  // The end of the stream, in order or not; only a body that lasts until then is whole.
  const bool is_whole = received.has_value() && handover_.close();
  end_input(is_whole ? RelayEnd::kFinished : RelayEnd::kUpstreamLost);
}

void Relay::collect_timeout() noexcept {
  timer.reset();
  if (is_receiving_ && Deadline::after(upstream_moved_at_, options_.idle_max).has_passed(now())) {
    end_input(RelayEnd::kUpstreamStalled);
    return;
  }
  if (is_timed() && clock_.has_passed(now())) {
    const bool is_total =
        !awaits_content_ || options_.total_deadline.at <= options_.first_token_deadline.at;
    end_input(is_total ? RelayEnd::kTotalLate : RelayEnd::kFirstTokenLate);
    return;
  }
  if (has_place_for_ping() &&
      Deadline::after(downstream_moved_at_, options_.ping).has_passed(now())) {
    handover_.write_comment(filling(), kPing);
    return;
  }
  if (!downstream_.is_sending() ||
      !Deadline::after(downstream_moved_at_, options_.stall_max).has_passed(now())) {
    return;
  }
  // A send reports only its end; whether the client takes anything at all, its host's ACKs say.
  const uint64_t acknowledged = downstream_.bytes_acknowledged();
  if (acknowledged > acknowledged_) {
    acknowledged_ = acknowledged;
    downstream_moved_at_ = now();
    return;
  }
  end_all(RelayEnd::kDownstreamStalled);
}

void Relay::collect() noexcept {
  if (downstream_.sent().is_ready()) {
    const Result<void> sent = downstream_.take_sent();
    sending().clear();
    downstream_moved_at_ = now();
    if (!sent && !is_ended_) end_all(RelayEnd::kDownstreamLost);
  }
  if (is_ended_) return;
  if (downstream_.interrupted().is_ready() && !is_cut_) {
    if (downstream_.interruption() != ErrorCode::kDraining) {
      end_all(RelayEnd::kDownstreamLost);
      return;
    }
    is_cut_ = true;
    end_input(RelayEnd::kDraining);  // Does nothing when the whole answer is in hand already.
  }
  if (is_receiving_ && upstream_.received().is_ready()) collect_upstream();
  if (timer.is_ready()) collect_timeout();
}

RelayResult Relay::result() noexcept {
  result_.payload_bytes = handover_.payload_bytes();
  result_.upstream_is_clean = handover_.is_finished() && !handover_.has_excess() &&
                              options_.more.empty() && !upstream_.is_shut_down() &&
                              options_.framing.kind != http::BodyKind::kUntilClose;
  return result_;
}

// The usual unary answer: all of the body came with its head, and one send ends it.
Task<RelayResult> relay_whole(net::Stream& upstream, io::Buffer body,
                              http::ResponseSink& downstream, http::EventTap* tap,
                              Duration stall_max) {
  const std::string_view bytes = body.bytes();
  RelayResult result{.payload_bytes = bytes.size(),
                     .first_byte_at = upstream.ring().now(),
                     .first_content_at = upstream.ring().now()};
  downstream.send({&bytes, 1});
  if (tap != nullptr) {
    tap->on_span(bytes);
    tap->on_end();
  }
  SendWatch watch(upstream.ring(), downstream, stall_max);
  while (!watch.is_over()) co_await watch.step();
  result.end = watch.end();
  result.gone_at = watch.gone_at();
  result.upstream_is_clean = !upstream.is_shut_down();
  co_return result;
}

Task<RelayResult> relay_parts(net::Stream& upstream, io::Buffer first,
                              http::ResponseSink& downstream, http::EventFilter* filter,
                              http::EventTap* tap, io::BlockPool& blocks,
                              const RelayOptions& options) {
  Relay relay(upstream, std::move(first), downstream, filter, tap, blocks, options);
  for (;;) {
    relay.advance();
    if (relay.is_over()) break;
    co_await io::first_of(relay.upstream_event(), relay.downstream_event(),
                          relay.interruption_event(), &relay.timer);
    relay.collect();
  }
  co_return relay.result();
}

}  // namespace

std::string_view to_string(RelayEnd end) noexcept {
  switch (end) {
    case RelayEnd::kFinished: return "finished";
    case RelayEnd::kUpstreamLost: return "upstream_lost";
    case RelayEnd::kUpstreamMalformed: return "upstream_malformed";
    case RelayEnd::kUpstreamStalled: return "upstream_stalled";
    case RelayEnd::kUpstreamDiffers: return "upstream_differs";
    case RelayEnd::kFirstTokenLate: return "first_token_late";
    case RelayEnd::kTotalLate: return "total_late";
    case RelayEnd::kTapEnded: return "tap_ended";
    case RelayEnd::kDownstreamLost: return "downstream_lost";
    case RelayEnd::kDownstreamStalled: return "downstream_stalled";
    case RelayEnd::kDraining: return "draining";
  }
  return "unknown";
}

std::string_view event_of(RelayEnd end, const BrokenEvents& events) noexcept {
  switch (end) {
    case RelayEnd::kDraining: return events.draining;
    case RelayEnd::kUpstreamStalled: return events.stalled;
    case RelayEnd::kUpstreamDiffers: return events.differs;
    case RelayEnd::kFirstTokenLate: return events.first_token_late;
    case RelayEnd::kTotalLate: return events.total_late;
    case RelayEnd::kTapEnded: return events.tap_ended;
    default: return events.lost;
  }
}

Task<RelayResult> relay_body(net::Stream& upstream, io::Buffer first,
                             http::ResponseSink& downstream, http::EventFilter* filter,
                             http::EventTap* tap, io::BlockPool& blocks,
                             const RelayOptions& options) {
  const bool is_whole = options.framing.kind == http::BodyKind::kLength && filter == nullptr &&
                        !first.is_empty() && first.bytes().size() == options.framing.length;
  if (is_whole) {
    return relay_whole(upstream, std::move(first), downstream, tap, options.stall_max);
  }
  return relay_parts(upstream, std::move(first), downstream, filter, tap, blocks, options);
}

Task<void> break_off(io::Ring& ring, http::ResponseSink& downstream, std::string_view event,
                     Duration stall_max) {
  std::array<char, http::kChunkHeadBytesMax> head;
  std::array<std::string_view, 3> slices;
  size_t count = 0;
  const bool is_chunked = downstream.stream_framing() == http::ResponseSink::Framing::kChunked;
  if (is_chunked) slices[count++] = http::write_chunk_head(head, event.size());
  slices[count++] = event;
  if (is_chunked) slices[count++] = http::kChunkEnd;
  if (!event.empty()) {
    downstream.send({slices.data(), count});
    SendWatch watch(ring, downstream, stall_max);
    while (!watch.is_over()) co_await watch.step();
  }
  downstream.abort();
}

}  // namespace sluice::relay
