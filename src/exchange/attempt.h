// One try of an exchange at one deployment, from dialling to the head of the answer.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include <sluice/base/deadline.h>
#include <sluice/exchange/services.h>
#include <sluice/http/head_bytes.h>
#include <sluice/http/request_parser.h>
#include <sluice/http/response_parser.h>
#include <sluice/io/timer.h>
#include <sluice/json/edit.h>
#include <sluice/relay/answer_start.h>
#include <sluice/upstream/pool.h>

namespace sluice::exchange {

// What goes upstream. Views must live until the attempt has ended.
struct OutgoingRequest {
  const config::Upstream* upstream = nullptr;
  upstream::Pool* pool = nullptr;
  const http::RequestHead* head = nullptr;  // The client's.
  std::span<const Generation::ForwardedHeader> forwarded_headers;
  std::span<const std::pair<std::string, std::string>> script_headers;
  std::string_view fields;  // Lines of every request there.
  std::string_view request_id;
  uint32_t priority = 0;  // Sent on when not 0.
  json::BodyPlan body;
  const json::ContinuedPlan* continued = nullptr;  // In the body's place, when it is set.
  config::UpstreamTimeouts timeouts;
  Deadline total;  // Of the whole request.
  // An event stream's answer counts only once it has brought content.
  bool holds_until_content = false;

  [[nodiscard]] std::span<const std::string_view> body_pieces() const noexcept {
    return continued != nullptr ? continued->pieces() : body.pieces();
  }
  [[nodiscard]] uint64_t body_bytes() const noexcept {
    return continued != nullptr ? continued->total_length() : body.total_length();
  }
};

[[nodiscard]] bool is_event_stream(const http::ResponseHead& head) noexcept;

// Lives in a block of its own, because it is needed only until the answer's head has been written
// to the client. Dropping one with a lease cuts the connection.
class Attempt {
 public:
  explicit Attempt(Services& services) noexcept;
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  // Checks a connection out or dials, writes the request, awaits the answer's head, or its first
  // content. On an error nothing is in flight any more and the connection is cut. Suspends.
  //
  // `fresh` forbids kept connections. `gone` ends it with kCancelled; nobody else waits for it
  // meanwhile. Whether and where to try again, resilience says.
  Task<Result<void>> run(const OutgoingRequest& request, io::Event& gone, bool fresh);

  // `name`, a JSON string, with `wild` in the place of its `*`; empty when there is no memory.
  // Lives as long as the attempt.
  [[nodiscard]] std::string_view write_name(std::string_view name, std::string_view wild) noexcept;

  [[nodiscard]] const http::ResponseHead& head() const noexcept { return parser_.head(); }
  // The answer's connection, and the body bytes that came with its head.
  [[nodiscard]] upstream::Lease take_lease() noexcept { return std::move(lease_); }
  [[nodiscard]] io::Buffer take_first_bytes() noexcept { return std::move(received_); }
  // What came behind them, while the first content was awaited.
  static constexpr size_t kMoreMax = relay::AnswerStart::kBuffersMax - 1;
  [[nodiscard]] std::array<io::Buffer, kMoreMax> take_more_bytes() noexcept {
    return std::move(more_);
  }
  // What of the body has come so far, as it came.
  [[nodiscard]] std::string_view body_at_hand() const noexcept { return received_.bytes(); }
  // Bytes to and from the upstream since the last call.
  [[nodiscard]] net::Traffic take_traffic() noexcept;
  [[nodiscard]] MonoTime sent_at() const noexcept { return sent_at_; }
  [[nodiscard]] Duration connect_time() const noexcept { return connect_time_; }
  // Whether it went over a kept connection, and whether any byte of an answer came.
  [[nodiscard]] bool was_reused() const noexcept { return was_reused_; }
  [[nodiscard]] bool has_answer_bytes() const noexcept { return has_answer_bytes_; }

 private:
  // An upstream's head may be as large as one receive buffer.
  static constexpr http::HeadLimits kHeadLimits{.head_bytes_max = 16 * 1024 - 64,
                                                .header_count_max = 100};
  static constexpr int kInterimHeadsMax = 8;

  Task<Result<void>> dial(const OutgoingRequest& request, io::Event& gone);
  // Takes in what has happened while the head was awaited.
  [[nodiscard]] Result<void> take_step(const OutgoingRequest& request, io::Timer& timer) noexcept;
  // What was received holds the head's text, which must outlive what is received behind it.
  void keep_head() noexcept;
  // An event stream, until it has said something.
  Task<Result<void>> await_content(const OutgoingRequest& request, io::Event& gone);
  // False when nothing more comes.
  [[nodiscard]] Result<bool> take_content(relay::AnswerStart& start,
                                          const OutgoingRequest& request) noexcept;
  // The first bytes of an error's body, where a failure rule looks at them.
  Task<Result<void>> await_error_body(const OutgoingRequest& request, io::Event& gone);
  [[nodiscard]] Deadline answer_deadline(const OutgoingRequest& request) const noexcept;
  // Begins sending the request and receiving its answer.
  [[nodiscard]] Result<void> send(const OutgoingRequest& request) noexcept;
  // The head, and the body behind it when that is small.
  [[nodiscard]] Result<std::string_view> write_message(const OutgoingRequest& request) noexcept;
  [[nodiscard]] std::string_view append_body(std::string_view head,
                                             const OutgoingRequest& request) noexcept;
  // Takes in received bytes; true once the head is whole.
  [[nodiscard]] Result<bool> take_bytes() noexcept;
  [[nodiscard]] Result<bool> parse() noexcept;
  // Ends what is in flight, so that the request's bytes may die.
  Task<void> abandon();

  Services& services_;
  upstream::Lease lease_;
  io::Block head_block_;       // The request's head, until it is sent.
  io::Block name_block_;       // See write_name().
  http::HeadBytes collected_;  // The answer's head when it came in pieces.
  io::Buffer head_buffer_;     // See keep_head().
  io::Buffer received_;        // The last buffer; behind the head it holds the body's beginning.
  std::array<io::Buffer, kMoreMax> more_;
  http::ResponseParser parser_;
  MonoTime sent_at_;
  Duration connect_time_{};
  int interim_heads_ = 0;
  bool has_head_ = false;
  bool is_send_over_ = false;
  bool has_answer_bytes_ = false;
  net::Traffic abandoned_;  // Of a connection that is cut.
  bool was_reused_ = false;
};

// Owns an Attempt in a block of the shard's pool.
class AttemptPtr {
 public:
  AttemptPtr() noexcept = default;
  // Not held when there is no memory.
  explicit AttemptPtr(Services& services);
  AttemptPtr(AttemptPtr&& other) noexcept : block_(std::move(other.block_)) {}
  AttemptPtr& operator=(AttemptPtr&& other) noexcept;
  ~AttemptPtr() {
    if (is_held()) reset();
  }

  [[nodiscard]] bool is_held() const noexcept { return block_.is_held(); }
  [[nodiscard]] Attempt* operator->() noexcept { return get(); }
  [[nodiscard]] Attempt& operator*() noexcept { return *get(); }
  void reset() noexcept;

 private:
  [[nodiscard]] Attempt* get() noexcept {
    return std::launder(reinterpret_cast<Attempt*>(block_.data()));
  }
  io::Block block_;
};

}  // namespace sluice::exchange
