#include "attacker.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace sluice::edge {
namespace {

constexpr size_t kAnswerBytes = 12;  // "HTTP/1.1 408"

std::string_view connect_fault(int32_t result) noexcept {
  switch (-result) {
    case ECONNREFUSED: return "connection refused";
    case ETIMEDOUT: return "connect timed out";
    case EADDRNOTAVAIL: return "no local port is free";
    default: return "connect failed";
  }
}

// The status of an answer, or what a TLS record says.
std::string kind_of(std::string_view answer) {
  if (answer.empty()) return {};
  if (answer.starts_with("HTTP/1.1 ") && answer.size() >= kAnswerBytes) {
    return std::string(answer.substr(9, 3));
  }
  if (answer[0] == 0x16) return "tls";
  if (answer[0] == 0x15) return "tls alert";
  return "bytes";
}

}  // namespace

void Attacker::Wire::complete(const io::KernelCompletion& completion, io::Buffer buffer) noexcept {
  if (attacker_.state_ == State::kClosing) return attacker_.close_when_quiet();
  (attacker_.*taker_)(completion.result, buffer.bytes());
}

Attacker::Attacker(AttackerOwner& owner) noexcept
    : owner_(owner),
      out_(*this, &Attacker::on_out),
      in_(*this, &Attacker::on_in),
      hangup_(*this, &Attacker::on_hangup) {}

// Port and address are the kernel's choice only at the connect, so that ports of other
// destinations do not count; and an end by RST leaves no socket in TIME_WAIT behind.
int Attacker::open_socket(const net::Address& source) noexcept {
  io::Syscalls& syscalls = owner_.ring.syscalls();
  const Result<int> fd = syscalls.open_socket(source.family());
  if (!fd) return -1;
  const int is_late = 1;
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  const int window = owner_.attack.receive_bytes_max;
  const bool is_set =
      ::setsockopt(*fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &is_late, sizeof is_late) == 0 &&
      ::setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0 &&
      (window == 0 || ::setsockopt(*fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window) == 0) &&
      ::bind(*fd, source.raw(), source.length) == 0;
  if (is_set) return *fd;
  syscalls.close(*fd);
  return -1;
}

void Attacker::connect(const net::Address& source, const net::Address& target) noexcept {
  ++life_;
  began_ = owner_.ring.clock().now();
  sent_ = 0;
  drip_at_ = 0;
  answer_.clear();
  target_ = target;
  fd_ = open_socket(source);
  if (fd_ < 0) {
    owner_.outcomes.add({.how = "no socket", .answer = {}});
    return owner_.on_closed(*this);
  }
  state_ = State::kConnecting;
  out_.begin({.code = io::OpCode::kConnect,
              .fd = fd_,
              .address = target_.raw(),
              .length = target_.length});
}

void Attacker::on_connect(int32_t result) noexcept {
  if (result < 0) return close(connect_fault(result));
  state_ = State::kOpen;
  Outcomes& outcomes = owner_.outcomes;
  ++outcomes.opened;
  if (++outcomes.open > outcomes.open_most) outcomes.open_most = outcomes.open;
  const Attack& attack = owner_.attack;
  if (attack.reading == Reading::kAll) {
    receive();
  } else {
    hangup_.begin({.code = io::OpCode::kPollHangup, .fd = fd_});
  }
  if (!attack.opening.empty()) return send(attack.opening);
  if (!attack.drip.empty()) owner_.on_waits(*this);
}

void Attacker::send(std::string_view bytes) noexcept {
  unsent_ = bytes;
  out_.begin({.code = io::OpCode::kSend,
              .fd = fd_,
              .address = bytes.data(),
              .length = static_cast<uint32_t>(bytes.size())});
}

void Attacker::receive() noexcept { in_.begin({.code = io::OpCode::kRecv, .fd = fd_}); }

void Attacker::on_out(int32_t result, std::string_view) noexcept {
  if (state_ == State::kConnecting) return on_connect(result);
  if (result <= 0) return;  // What broke shows in the receive or the hangup, too.
  owner_.outcomes.sent += static_cast<uint64_t>(result);
  sent_ += static_cast<uint64_t>(result);
  unsent_.remove_prefix(std::min(unsent_.size(), static_cast<size_t>(result)));
  if (!unsent_.empty()) return send(unsent_);
  const Attack& attack = owner_.attack;
  if (sent_ >= attack.bytes_max) return close("left");
  if (!attack.drips_bytes) return send(attack.drip);
  if (!attack.drip.empty() || attack.reading == Reading::kByteAStep) owner_.on_waits(*this);
}

void Attacker::step(uint32_t life) noexcept {
  if (life != life_ || state_ != State::kOpen) return;
  const Attack& attack = owner_.attack;
  if (attack.reading == Reading::kByteAStep) {
    return in_.begin({.code = io::OpCode::kRecvInto, .fd = fd_, .address = &byte_, .length = 1});
  }
  const std::string_view byte = std::string_view(attack.drip).substr(drip_at_, 1);
  drip_at_ = (drip_at_ + 1) % attack.drip.size();
  send(byte);
}

void Attacker::take(std::string_view bytes) noexcept {
  owner_.outcomes.received += bytes.size();
  if (answer_.size() < kAnswerBytes) answer_ += bytes.substr(0, kAnswerBytes - answer_.size());
}

void Attacker::on_in(int32_t result, std::string_view bytes) noexcept {
  if (result == 0) return close("closed");
  if (result < 0) return close("reset");
  if (owner_.attack.reading == Reading::kByteAStep) {
    take({&byte_, 1});
    return owner_.on_waits(*this);
  }
  take(bytes);
  receive();
}

void Attacker::on_hangup(int32_t, std::string_view) noexcept { close("closed"); }

void Attacker::leave(std::string_view how) noexcept {
  if (state_ == State::kConnecting) return close("left before it was connected");
  if (state_ == State::kOpen) close(how);
}

void Attacker::close(std::string_view how) noexcept {
  if (state_ == State::kOpen) --owner_.outcomes.open;
  state_ = State::kClosing;
  owner_.outcomes.add(
      {.how = how, .answer = kind_of(answer_), .lasted = owner_.ring.clock().now() - began_});
  owner_.ring.shut_down(fd_);
  for (Wire* wire : {&out_, &in_, &hangup_}) wire->cancel();
  close_when_quiet();
}

void Attacker::close_when_quiet() noexcept {
  if (out_.is_in_flight() || in_.is_in_flight() || hangup_.is_in_flight()) return;
  owner_.ring.close(fd_);
  fd_ = -1;
  state_ = State::kClosed;
  owner_.on_closed(*this);
}

}  // namespace sluice::edge
