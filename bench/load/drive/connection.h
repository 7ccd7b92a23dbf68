// One connection to the target, and one answer at a time on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sluice/base/intrusive_list.h>
#include <sluice/http/chunked.h>
#include <sluice/http/response_parser.h>
#include <sluice/io/timer.h>
#include <sluice/net/dialer.h>
#include <sluice/net/stream.h>

namespace sluice::load {

// Lives in one coroutine's frame. interrupt() may be called by others on the same thread; every
// wait then ends soon, with an error.
class Connection : public ListLink {
 public:
  Connection(io::Ring& ring, Duration timeout) noexcept;

  [[nodiscard]] bool is_open() const noexcept { return stream_.has_value(); }
  // All of these suspend, and fail when no byte moves for the timeout.
  [[nodiscard]] Task<Result<void>> open(net::Address address, int receive_bytes_max);
  // `bytes` must live until it ends.
  [[nodiscard]] Task<Result<void>> send(std::string_view bytes);
  // Reads the head of the answer, past interim ones; its views live until the next call here.
  [[nodiscard]] Task<Result<const http::ResponseHead*>> read_head();
  // The next bytes of the body without its transfer coding, valid until the next call. Empty at
  // the end of the body.
  [[nodiscard]] Task<Result<std::string_view>> read_body();
  // At most `bytes` raw bytes, for readers that must not take more from the kernel.
  [[nodiscard]] Task<Result<uint32_t>> read_raw(char* into, uint32_t bytes);
  // Waits until the peer has closed its side, dropping what comes.
  [[nodiscard]] Task<Result<void>> read_to_end();
  Task<void> wait_until(MonoTime time);
  Task<void> close();

  // The answer is over and the connection may carry another.
  [[nodiscard]] bool can_reuse() const noexcept { return is_over_ && keeps_alive_; }
  [[nodiscard]] MonoTime now() noexcept { return ring_.clock().now(); }
  // Leaves at once, by a system call of its own: sends a FIN now and not at the end of the turn.
  // With `half` the other direction stays open, so that the peer's closing can be seen.
  void leave(bool half) noexcept;
  void interrupt() noexcept;

 private:
  [[nodiscard]] Task<Result<void>> receive();
  // The next run of payload in what was received; empty when all of it is read.
  [[nodiscard]] Result<std::string_view> take_payload() noexcept;
  [[nodiscard]] bool ends_with_stream() const noexcept;

  io::Ring& ring_;
  Duration timeout_;
  int fd_ = -1;
  std::optional<net::Stream> stream_;
  io::Timer timer_;
  http::ResponseParser parser_;
  http::ChunkedDecoder decoder_;
  io::Buffer buffer_;      // What was received last; unread_ points into it,
  std::string collected_;  // or into this, while a head comes in pieces.
  std::string_view unread_;
  uint64_t left_ = 0;  // Of a body by length.
  bool keeps_alive_ = true;
  bool is_over_ = true;
  bool at_end_ = false;  // The peer sends no more.
  bool is_interrupted_ = false;
};

}  // namespace sluice::load
