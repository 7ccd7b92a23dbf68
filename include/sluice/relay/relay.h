// Moves a response body forward, in the buffers it arrived in.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <sluice/base/clock.h>
#include <sluice/base/deadline.h>
#include <sluice/http/event_filter.h>
#include <sluice/http/event_tap.h>
#include <sluice/http/head.h>
#include <sluice/http/response_sink.h>
#include <sluice/io/block_pool.h>
#include <sluice/io/buffer.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/net/stream.h>

namespace sluice::relay {

// Why a relay stopped. Tells settle whom to charge and which connections live on.
enum class RelayEnd : uint8_t {
  kFinished,           // The upstream ended its body and all of it was sent.
  kUpstreamLost,       // The upstream closed or reset before the end of its body.
  kUpstreamMalformed,  // The upstream broke its own framing.
  kUpstreamStalled,    // No byte came for `idle_max`.
  kUpstreamDiffers,    // What resumed the stream did not continue what the client has.
  kFirstTokenLate,     // No content came before `first_token_deadline`.
  kTotalLate,          // `total_deadline` passed.
  kTapEnded,           // The tap's must_end(): what the stream may use is used up.
  kDownstreamLost,     // The client left; the upstream must be cut, not drained.
  kDownstreamStalled,  // The client took no byte for `stall_max`.
  kDraining,           // The shard cuts its streams.
};
[[nodiscard]] std::string_view to_string(RelayEnd end) noexcept;

// The last event of a broken event stream, by what broke it. Each ends with a blank line.
struct BrokenEvents {
  std::string_view lost;
  std::string_view stalled;
  std::string_view draining;
  std::string_view differs;
  std::string_view first_token_late;
  std::string_view total_late;
  std::string_view tap_ended;
};

// The last event for a stream that ended so.
[[nodiscard]] std::string_view event_of(RelayEnd end, const BrokenEvents& events) noexcept;

// Told once, in the turn in which the first content came, as `first_token_deadline` counts it.
class ContentListener {
 public:
  virtual void on_content(MonoTime now) noexcept = 0;

 protected:
  ~ContentListener() = default;
};

struct RelayOptions {
  http::BodyFraming framing;  // Of the upstream's body.
  bool is_event_stream = false;
  Duration idle_max{};   // Between bytes of the upstream; zero is for ever.
  Duration stall_max{};  // For a client that takes nothing; zero is for ever.
  // Runs until the tap has seen content, or the first byte where there is no event stream or no
  // tap.
  Deadline first_token_deadline;
  // Runs until the whole body is in hand; of an event stream only until its first content, so that
  // no clock but `idle_max` ends a stream that is moving.
  Deadline total_deadline;
  // An event stream's client gets a comment after so long without a byte, wherever it stands
  // between events; zero is never. Only for bodies without content coding. (A byte order mark of
  // the upstream's, which servers do not send, would be none behind a comment.)
  Duration ping{};
  uint32_t held_bytes_max = 64 * 1024;  // The most that is held between the two sides.
  // When the upstream fails, leave the client's stream open and whole for another relay to go on
  // with. Needs a filter, so that the client only gets whole events.
  bool may_resume = false;
  bool tap_may_end = false;  // Ask the tap whether the stream may go on.
  // What was received behind `first`, in order; is moved from. (AnswerStart)
  std::span<io::Buffer> more;
  bool continues = false;      // Goes on with a body whose head was sent by an earlier relay.
  BrokenEvents broken_events;  // Used for event streams only.
  ContentListener* content_listener = nullptr;
};

struct RelayResult {
  RelayEnd end = RelayEnd::kFinished;
  // The upstream's connection stands at the end of a body and may serve again, if its head said so.
  bool upstream_is_clean = false;
  // With `may_resume`: the upstream failed, and the client waits, between events, for more. Whoever
  // cannot go on calls break_off().
  bool is_resumable = false;
  uint64_t payload_bytes = 0;  // Without chunked framing, as the upstream sent them.
  MonoTime first_byte_at = MonoTime::max();
  MonoTime first_content_at = MonoTime::max();  // As `first_token_deadline` counts it.
  MonoTime gone_at = MonoTime::max();           // When the client's leaving was seen.
};

// A comment in an event stream, which every reader ignores.
inline constexpr std::string_view kPing = ": ping\n\n";

// Moves a committed response body from `upstream` to `downstream` until either ends. `first` holds
// what came together with the head.
//
// Reads only what the client has room for, so a slow client slows its upstream and costs at most
// `held_bytes_max`. Bytes leave in the turn in which they came: each buffer is sent as it is and
// shown to `tap` in that turn; small ones are copied only while a send is in flight, so that no
// token pins a buffer. Chunked framing passes verbatim where it can.
//
// `filter`, when given, sees each event before the send and may drop or change it; then alone an
// incomplete event waits for its end. `tap` and `filter` may be null. A broken event stream ends
// with one of `broken_events` if it stands between events, and is aborted either way: no end of
// body is sent.
//
// When it returns nothing is in flight to the client. Suspends. Everything passed by reference,
// pointer or view must live until the task completes.
Task<RelayResult> relay_body(net::Stream& upstream, io::Buffer first,
                             http::ResponseSink& downstream, http::EventFilter* filter,
                             http::EventTap* tap, io::BlockPool& blocks,
                             const RelayOptions& options);

// Ends an event stream that a relay has left resumable: sends `event` and aborts. Returns when
// nothing is in flight, at the latest when the client has taken no byte for `stall_max`. Suspends.
Task<void> break_off(io::Ring& ring, http::ResponseSink& downstream, std::string_view event,
                     Duration stall_max);

}  // namespace sluice::relay
