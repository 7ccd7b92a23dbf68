#include "wire.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>

namespace sluice::sim {
namespace {

constexpr size_t kLingerBytesMax = 64 * 1024 * 1024;
constexpr Duration kLingerMax = seconds(2);
constexpr Duration kHandshakeMax = seconds(10);

}  // namespace

Wire::Wire(io::Ring& ring, int fd)
    : ring_(ring),
      fd_(fd),
      stream_(ring, fd, Side::kDownstream),
      timer_(ring.ready(), ring.timers()) {}

Task<bool> Wire::secure(net::TlsServer& tls) {
  if (!tls.secure(stream_)) co_return false;
  const Deadline deadline = Deadline::after(now(), kHandshakeMax);
  const Result<void> done = co_await net::handshake(stream_, deadline, nullptr);
  co_return done.has_value();
}

bool Wire::take_received() {
  const Result<io::Buffer> received = stream_.take_received();
  if (!received || received->is_empty()) {
    is_gone_ = true;
    gone_at_ = now();
    return false;
  }
  const size_t needed = input_.size() + received->bytes().size() + kOverread;
  if (input_.capacity() < needed) input_.reserve(std::max(needed, input_.capacity() * 2));
  input_ += received->bytes();
  return true;
}

Task<bool> Wire::receive() {
  if (is_gone_) co_return false;
  stream_.start_receive();
  co_await io::first_of(&stream_.received());
  co_return take_received();
}

Task<bool> Wire::wait_until(MonoTime time) {
  if (is_gone_) co_return false;
  if (time <= ring_.now()) co_return true;
  timer_.set(Deadline{time});
  for (;;) {
    stream_.start_receive();
    co_await io::first_of(&timer_, &stream_.received());
    if (stream_.received().is_ready() && !take_received()) break;
    if (timer_.is_ready()) break;
  }
  timer_.clear();
  co_return !is_gone_;
}

Task<bool> Wire::wait_for(io::Event& event) {
  while (!is_gone_ && !event.is_ready()) {
    stream_.start_receive();
    co_await io::first_of(&event, &stream_.received());
    if (stream_.received().is_ready() && !take_received()) break;
  }
  co_return !is_gone_;
}

Task<void> Wire::wait_for_leave() {
  while (co_await receive()) {
  }
}

Task<bool> Wire::send(std::span<const std::string_view> slices) {
  if (is_gone_) co_return false;
  if (manner_.split_bytes == 0 && manner_.bytes_per_second == 0) {
    const bool is_sent = co_await send_plain(slices);
    co_return is_sent;
  }
  std::string bytes;
  for (const std::string_view slice : slices) bytes += slice;
  const bool is_sent = co_await send_mannered(std::move(bytes));
  co_return is_sent;
}

Task<bool> Wire::send_plain(std::span<const std::string_view> slices) {
  stream_.start_send(slices);
  bool receives = true;
  for (;;) {
    if (receives) stream_.start_receive();
    co_await io::first_of(&stream_.sent(), receives ? &stream_.received() : nullptr);
    // First, since a client that has read all may leave within the same turn.
    if (stream_.sent().is_ready()) break;
    if (receives && stream_.received().is_ready() && !take_received()) {
      receives = false;
      stream_.shut_down();  // Ends the send, whose bytes nobody reads.
    }
  }
  const Result<void> sent = stream_.take_sent();
  if (!sent && !is_gone_) {
    is_gone_ = true;
    gone_at_ = now();
  }
  if (sent && !is_gone_) last_sent_ = now();
  co_return !is_gone_;
}

Task<bool> Wire::send_mannered(std::string bytes) {
  const std::string_view all = bytes;
  const uint64_t rate = manner_.bytes_per_second;
  size_t step = manner_.split_bytes == 0 ? all.size() : manner_.split_bytes;
  if (rate > 0) {
    const auto steps_per_second = static_cast<uint64_t>(seconds(1) / kSlowStep);
    step = std::min<size_t>(step, std::max<uint64_t>(1, rate / steps_per_second));
  }
  for (size_t at = 0; at < all.size(); at += step) {
    const bool is_there = co_await wait_until(send_again_at_);
    if (!is_there) co_return false;
    const std::array slices = {all.substr(at, step)};
    const bool is_sent = co_await send_plain(slices);
    if (!is_sent) co_return false;
    if (rate == 0) continue;
    const double pause_s = static_cast<double>(slices[0].size()) / static_cast<double>(rate);
    send_again_at_ =
        std::max(send_again_at_, now()) + Duration(static_cast<int64_t>(pause_s * 1e9));
  }
  co_return true;
}

Task<void> Wire::linger() {
  size_t taken = 0;
  timer_.set(Deadline::after(now(), kLingerMax));
  while (!is_gone_ && taken < kLingerBytesMax) {
    stream_.start_receive();
    co_await io::first_of(&timer_, &stream_.received());
    if (!stream_.received().is_ready() || !take_received()) break;
    taken += input_.size();
    input_.clear();
  }
  timer_.clear();
}

Task<void> Wire::close() { co_await stream_.close(); }

Task<void> Wire::reset() {
  // A socket that lingers for no time is reset when it is closed, unless it was shut down before:
  // the receive in flight is therefore cancelled.
  const struct linger none = {.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  stream_.stop_receiving();
  while (stream_.is_receiving()) co_await io::first_of(&stream_.received());
  co_await stream_.close();
}

}  // namespace sluice::sim
