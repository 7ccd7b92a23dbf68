#include <sluice/net/stream.h>

#include <poll.h>

#include <cerrno>
#include <utility>

#include <sluice/base/assert.h>
#include <sluice/net/address.h>

namespace sluice::net {

std::optional<Ipv6Bytes> peer_ip(io::Syscalls& syscalls, int fd) noexcept {
  Address peer;
  peer.length = sizeof peer.storage;
  auto* const raw = reinterpret_cast<sockaddr*>(&peer.storage);
  if (!syscalls.peer_address(fd, raw, &peer.length)) return std::nullopt;
  return peer.ip();
}

Stream::Stream(io::Ring& ring, int fd, Side side) noexcept
    : ring_(ring), fd_(fd), side_(side), receive_(ring), send_(ring), hangup_(ring) {
  SLUICE_ASSERT(fd >= 0);
}

Stream::~Stream() { SLUICE_ASSERT(fd_ < 0); }

void Stream::ReceiveOp::begin(const io::Submission& submission) noexcept {
  reset();
  start(submission);
}

void Stream::ReceiveOp::complete(const io::KernelCompletion& completion,
                                 io::Buffer received) noexcept {
  result = completion.result;
  if (result > 0) total += static_cast<uint32_t>(result);
  buffer = std::move(received);
  if (decrypter != nullptr) [[unlikely]] {
    decrypter->decrypt_received();
  } else {
    end();
  }
}

void Stream::ReceiveOp::end() noexcept {
  trigger();
  if (observer != nullptr) observer->on_received();
}

void Stream::start_receive() noexcept {
  if (receive_.is_in_flight() || receive_.is_ready()) return;
  if (receive_.decrypter != nullptr) [[unlikely]]
    return start_decrypting(nullptr, 0);
  receive_.begin({.code = io::OpCode::kRecv, .fd = fd_});
}

void Stream::start_receive_into(char* address, uint32_t length) noexcept {
  SLUICE_ASSERT(!receive_.is_in_flight() && !receive_.is_ready() && length > 0);
  if (receive_.decrypter != nullptr) [[unlikely]]
    return start_decrypting(address, length);
  receive_.begin({.code = io::OpCode::kRecvInto, .fd = fd_, .address = address, .length = length});
}

Unexpected Stream::lost(int32_t result) const noexcept {
  const ErrorCode code =
      side_ == Side::kDownstream ? ErrorCode::kDownstreamLost : ErrorCode::kUpstreamLost;
  switch (-result) {
    case ECONNRESET: return fail(code, side_, Retry::kIfReused, "connection reset");
    case EPIPE: return fail(code, side_, Retry::kIfReused, "broken pipe");
    case ETIMEDOUT: return fail(code, side_, Retry::kIfReused, "keep-alive timed out");
    case EBADMSG: return fail(code, side_, Retry::kIfReused, "TLS: cut off without close_notify");
    case EPROTO: return fail(code, side_, Retry::kNever, tls_failure());
    case ECANCELED: return fail(ErrorCode::kCancelled, side_, "cancelled");
    default: return fail(code, side_, Retry::kIfReused, "socket error");
  }
}

Result<io::Buffer> Stream::take_received() noexcept {
  SLUICE_ASSERT(receive_.is_ready());
  receive_.reset();
  if (receive_.result < 0) return lost(receive_.result);
  return std::move(receive_.buffer);
}

Result<uint32_t> Stream::take_received_count() noexcept {
  SLUICE_ASSERT(receive_.is_ready());
  receive_.reset();
  if (receive_.result < 0) return lost(receive_.result);
  return static_cast<uint32_t>(receive_.result);
}

void Stream::SendOp::begin(int fd, std::span<const std::string_view> slices) noexcept {
  SLUICE_ASSERT(slices.size() <= kSlicesMax);
  reset();
  fd_ = fd;
  error = 0;
  first_ = count_ = 0;
  for (const std::string_view slice : slices) {
    if (slice.empty()) continue;
    slices_[count_++] = {const_cast<char*>(slice.data()), slice.size()};
  }
  SLUICE_ASSERT(count_ > 0);
  if (tls != nullptr) [[unlikely]]
    return submit_records();
  submit();
}

void Stream::SendOp::submit() noexcept {
  // One slice needs no message header, and the kernel copies less.
  if (count_ - first_ == 1) {
    const iovec& slice = slices_[first_];
    start({.code = io::OpCode::kSend,
           .fd = fd_,
           .address = slice.iov_base,
           .length = static_cast<uint32_t>(slice.iov_len)});
    return;
  }
  message_.msg_iov = &slices_[first_];
  message_.msg_iovlen = count_ - first_;
  start({.code = io::OpCode::kSendMessage, .fd = fd_, .address = &message_});
}

void Stream::SendOp::complete(const io::KernelCompletion& completion, io::Buffer) noexcept {
  if (completion.result <= 0) {
    error = completion.result == 0 ? -EPIPE : completion.result;
    // The kernel has let go of the records, and who does not know yet may try to send once more.
    if (tls != nullptr) drop_records();
    trigger();
    return;
  }
  const auto taken = static_cast<size_t>(completion.result);
  total += taken;
  if (tls != nullptr) [[unlikely]]
    return complete_records(taken);
  take_off(taken);
  if (first_ == count_) {
    trigger();
    return;
  }
  // Short in spite of MSG_WAITALL: the socket was shut down (the next try says so), or a signal.
  submit();
}

void Stream::SendOp::take_off(size_t taken) noexcept {
  while (first_ < count_ && taken >= slices_[first_].iov_len) taken -= slices_[first_++].iov_len;
  if (taken == 0) return;
  iovec& slice = slices_[first_];
  slice = {static_cast<char*>(slice.iov_base) + taken, slice.iov_len - taken};
}

void Stream::start_send(std::span<const std::string_view> slices) noexcept {
  send_.begin(fd_, slices);
}

Result<void> Stream::take_sent() noexcept {
  SLUICE_ASSERT(send_.is_ready());
  send_.reset();
  if (send_.error < 0) return lost(send_.error);
  return {};
}

void Stream::await_readable(io::Op& wait) const noexcept { wait.poll(fd_, POLLIN); }

void Stream::HangupOp::begin(int fd) noexcept {
  reset();
  start({.code = io::OpCode::kPollHangup, .fd = fd});
}

void Stream::HangupOp::complete(const io::KernelCompletion& completion, io::Buffer) noexcept {
  if (completion.result < 0) return;  // Cancelled: the stream is being closed.
  trigger();
  if (observer != nullptr) observer->on_hung_up();
}

void Stream::start_hangup_watch() noexcept {
  if (!hangup_.is_in_flight() && !hangup_.is_ready()) hangup_.begin(fd_);
}

Traffic Stream::take_traffic() noexcept {
  const Traffic total{.received = receive_.total, .sent = send_.total};
  const Traffic before = std::exchange(taken_, total);
  return {.received = total.received - before.received, .sent = total.sent - before.sent};
}

void Stream::finish_sending() noexcept {
  say_last_words();
  ring_.syscalls().shut_down_sending(fd_);
}

void Stream::shut_down() noexcept {
  if (is_shut_down_ || fd_ < 0) return;
  is_shut_down_ = true;
  // What a peer does not take would stay in the kernel for minutes behind a FIN that cannot reach
  // it: up to the socket's whole send buffer. So a send that is cut short ends in a reset.
  if (send_.is_in_flight()) {
    [[maybe_unused]] const Result<void> is_reset =
        ring_.syscalls().set_option(fd_, SOL_SOCKET, SO_LINGER, 0);
  }
  ring_.shut_down(fd_);
}

bool Stream::is_quiet() const noexcept {
  return !receive_.is_in_flight() && !send_.is_in_flight() && !hangup_.is_in_flight();
}

void Stream::close_now() noexcept {
  SLUICE_ASSERT(is_quiet());
  if (fd_ < 0) return;
  say_last_words();
  ring_.close(fd_);
  fd_ = -1;
  receive_.buffer.release();
  tls_.reset();
}

Task<void> Stream::close() {
  if (fd_ < 0) co_return;
  set_observer(nullptr);
  receive_.decrypter = nullptr;  // What still comes is for nobody.
  say_last_words();
  if (!is_quiet()) {
    shut_down();
    // A poll for the hangup ends with the shutdown too. Each wait ends with its final completion.
    while (receive_.is_in_flight()) co_await io::first_of(&receive_);
    while (send_.is_in_flight()) {
      send_.reset();
      co_await io::first_of(&send_);
    }
    while (hangup_.is_in_flight()) co_await io::first_of(&hangup_);  // Ended by the shutdown.
  }
  close_now();
}

}  // namespace sluice::net
