#include "drive/client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>

#include "drive/bounds.h"

namespace sluice::load {
namespace {

std::string_view connect_fault(int32_t result) noexcept {
  switch (-result) {
    case ECONNREFUSED: return "connection refused";
    case ETIMEDOUT: return "connect timed out";
    case EHOSTUNREACH: return "host unreachable";
    case ENETUNREACH: return "network unreachable";
    case EADDRNOTAVAIL: return "no local port is free";
    default: return "connect failed";
  }
}

std::string_view socket_fault(int32_t result) noexcept {
  switch (-result) {
    case ECONNRESET: return "connection reset";
    case EPIPE: return "broken pipe";
    case ETIMEDOUT: return "keep-alive timed out";
    default: return "socket error";
  }
}

}  // namespace

Client::Client(ClientOwner& owner, uint32_t index) noexcept
    : owner_(owner),
      index_(index),
      out_(*this),
      in_(*this),
      parser_({.head_bytes_max = kHeadBytesMax}),
      decoder_(Side::kUpstream),
      check_(owner.reference) {}

void Client::Out::connect(int fd, const net::Address& address) noexcept {
  start(
      {.code = io::OpCode::kConnect, .fd = fd, .address = address.raw(), .length = address.length});
}

void Client::Out::send(int fd, std::string_view bytes) noexcept {
  start({.code = io::OpCode::kSend,
         .fd = fd,
         .address = bytes.data(),
         .length = static_cast<uint32_t>(bytes.size())});
}

void Client::Out::complete(const io::KernelCompletion& completion, io::Buffer) noexcept {
  if (client_.state_ == State::kClosing) return client_.close_when_quiet();
  if (client_.state_ == State::kConnecting) return client_.on_connect(completion.result);
  client_.on_send(completion.result);
}

void Client::In::complete(const io::KernelCompletion& completion, io::Buffer buffer) noexcept {
  client_.on_receive(completion.result, buffer.bytes());
}

std::string_view Client::connect(const net::Address& address, int receive_bytes_max) {
  SLUICE_ASSERT(state_ == State::kClosed);
  io::Syscalls& syscalls = owner_.ring.syscalls();
  const Result<int> fd = syscalls.open_socket(address.family());
  if (!fd) return fd.error().detail;
  // Best effort but the first: without TCP_NODELAY a small request would wait for an ACK.
  const Result<void> is_set = syscalls.set_option(*fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (receive_bytes_max > 0) {
    [[maybe_unused]] const Result<void> window =
        syscalls.set_option(*fd, SOL_SOCKET, SO_RCVBUF, receive_bytes_max);
  }
  if (!is_set) {
    syscalls.close(*fd);
    return is_set.error().detail;
  }
  fd_ = *fd;
  address_ = address;
  state_ = State::kConnecting;
  moved_ = owner_.ring.now();
  close_fault_ = {};
  out_.connect(fd_, address_);
  return {};
}

void Client::on_connect(int32_t result) noexcept {
  if (result < 0) return close(connect_fault(result));
  state_ = State::kIdle;
  in_.receive(fd_);
  owner_.on_connected(*this);
}

void Client::start(const Request& request, MonoTime intended, bool counts) noexcept {
  SLUICE_ASSERT(state_ == State::kIdle);
  state_ = State::kBusy;
  request_ = request;
  intended_ = intended;
  counts_ = counts;
  is_in_body_ = is_events_ = false;
  moved_ = now_ = owner_.ring.now();
  unsent_ = request.bytes;
  out_.send(fd_, unsent_);
}

void Client::on_send(int32_t result) noexcept {
  // What broke shows in the receive, too, and better: an early answer may still be read.
  if (result <= 0) return;
  unsent_.remove_prefix(std::min(unsent_.size(), static_cast<size_t>(result)));
  moved_ = owner_.ring.now();
  if (unsent_.empty()) return owner_.on_sent(*this);
  out_.send(fd_, unsent_);
}

void Client::on_receive(int32_t result, std::string_view bytes) noexcept {
  if (state_ == State::kClosing) return close_when_quiet();
  now_ = moved_ = owner_.ring.clock().now();
  if (result < 0) {
    const std::string_view fault = socket_fault(result);
    return state_ == State::kBusy ? end_request(fault, false) : close({});
  }
  if (result == 0) return on_end();
  read(bytes);
  const bool is_open = state_ == State::kIdle || state_ == State::kBusy;
  if (is_open && !in_.is_in_flight()) in_.receive(fd_);
}

void Client::on_end() noexcept {
  if (state_ != State::kBusy) {
    // Its right between two requests.
    ++owner_.tally.overtaken;
    return close({});
  }
  if (is_in_body_ && kind_ == http::BodyKind::kUntilClose) return finish();
  if (is_in_body_) return end_request("closed within the body", false);
  end_request(collected_.empty() ? "closed before the answer" : "closed within the head", false);
}

void Client::read(std::string_view bytes) noexcept {
  if (state_ != State::kBusy) return close("bytes without a request");
  if (!is_in_body_ && !read_head(bytes)) return;
  read_body(bytes);
}

bool Client::take_known_head(std::string_view& bytes) noexcept {
  const KnownHead& known = owner_.known_head;
  if (known.bytes.empty() || !collected_.empty() || !bytes.starts_with(known.bytes)) return false;
  bytes.remove_prefix(known.bytes.size());
  status_ = 200;
  kind_ = http::BodyKind::kLength;
  left_ = known.length;
  keeps_alive_ = true;
  return true;
}

bool Client::read_head(std::string_view& bytes) noexcept {
  if (take_known_head(bytes)) {
    is_in_body_ = true;
    check_.begin();
    return true;
  }
  std::string_view unread = bytes;
  if (!collected_.empty()) {
    collected_.reserve(collected_.size() + bytes.size() + kOverread);
    collected_ += bytes;
    unread = collected_;
  } else {
    parser_.reset(http::AnswerTo::kOther);
  }
  for (;;) {
    const http::ParseState state = parser_.parse(unread);
    if (state == http::ParseState::kError) {
      end_request(parser_.error().detail, false);
      return false;
    }
    if (state == http::ParseState::kNeedMore) {
      if (unread.data() != collected_.data() || unread.size() != collected_.size()) {
        std::string rest(unread);
        collected_ = std::move(rest);
      }
      return false;
    }
    const http::ResponseHead& head = parser_.head();
    const std::string_view rest = unread.substr(head.head_bytes);
    if (!head.is_interim()) {
      take_head(head, unread.substr(0, head.head_bytes));
      bytes = bytes.substr(bytes.size() - rest.size());
      collected_.clear();
      return true;
    }
    parser_.reset(http::AnswerTo::kOther);
    unread = rest;
    if (unread.empty()) {
      collected_.clear();
      return false;
    }
  }
}

void Client::take_head(const http::ResponseHead& head, std::string_view bytes) noexcept {
  is_in_body_ = true;
  status_ = head.status;
  kind_ = head.body.kind;
  left_ = head.body.length;
  keeps_alive_ = head.keep_alive;
  check_.begin();
  if (kind_ == http::BodyKind::kChunked) decoder_ = http::ChunkedDecoder(Side::kUpstream);
  const std::string_view type = head.headers.find("content-type");
  is_events_ = status_ == 200 && type.starts_with("text/event-stream");
  if (is_events_) {
    if (!events_) events_ = std::make_unique<EventReader>(owner_.tally, owner_.stall);
    events_->begin(intended_, counts_);
  } else if (status_ == 200 && kind_ == http::BodyKind::kLength && keeps_alive_ &&
             bytes.size() <= KnownHead::kBytesMax) {
    owner_.known_head.bytes = bytes;
    owner_.known_head.length = left_;
  }
}

void Client::read_body(std::string_view bytes) noexcept {
  if (kind_ == http::BodyKind::kChunked) {
    size_t at = 0;
    while (!decoder_.finished()) {
      const Result<std::string_view> payload = decoder_.next(bytes, at);
      if (!payload) return end_request(payload.error().detail, false);
      if (payload->empty()) break;
      take_payload(*payload);
      if (state_ != State::kBusy) return;  // It left.
    }
    if (!decoder_.finished()) return;
    bytes.remove_prefix(at);
  } else {
    const bool has_length = kind_ == http::BodyKind::kLength;
    const size_t count = kind_ == http::BodyKind::kNone ? 0
                         : has_length ? static_cast<size_t>(std::min<uint64_t>(left_, bytes.size()))
                                      : bytes.size();
    if (count > 0) take_payload(bytes.substr(0, count));
    if (state_ != State::kBusy) return;
    bytes.remove_prefix(count);
    left_ -= has_length ? count : 0;
    if (kind_ == http::BodyKind::kUntilClose || left_ > 0) return;
  }
  if (!bytes.empty()) return end_request("bytes behind the end of the answer", false);
  finish();
}

void Client::take_payload(std::string_view payload) noexcept {
  if (counts_) owner_.tally.bytes += payload.size();
  if (check_.compares() && status_ == 200) check_.take(payload);
  if (!is_events_) return;
  events_->take(payload, now_);
  if (request_.leave_at > 0 && events_->events() >= request_.leave_at && !events_->has_done()) {
    now_ = owner_.ring.clock().now();
    owner_.ring.shut_down(fd_);  // At once, and not at the end of the turn.
    end_request({}, false, true);
  }
}

void Client::finish() noexcept {
  std::string_view fault;
  if (status_ != 200) {
    fault = "status";
  } else if (owner_.expects_events && !is_events_) {
    fault = "the answer is not an event stream";
  } else {
    if (is_events_) {
      fault = events_->verdict();
      if (counts_ && !events_->has_done()) ++owner_.tally.without_done;
    }
    if (check_.compares() && counts_) {
      const bool differs = check_.differs();
      owner_.tally.differing += differs;
      owner_.tally.identical += !differs && fault.empty();
      if (differs && fault.empty()) fault = "body differs from the reference";
    }
  }
  // With bytes still to send the connection is of no more use: they would be the next request's.
  const bool can_reuse = keeps_alive_ && kind_ != http::BodyKind::kUntilClose && unsent_.empty() &&
                         !out_.is_in_flight();
  end_request(fault, can_reuse);
}

void Client::end_request(std::string_view fault, bool can_reuse, bool has_left) noexcept {
  collected_.clear();
  is_in_body_ = false;
  // Decided first, so that the owner does not start its next request here.
  state_ = can_reuse ? State::kIdle : State::kClosing;
  owner_.on_answer(*this, {.at = now_, .status = status_, .fault = fault, .has_left = has_left});
  if (!can_reuse) shut_and_close();
}

void Client::cut(std::string_view fault) noexcept {
  now_ = owner_.ring.now();
  if (state_ == State::kBusy) return end_request(fault, false);
  if (state_ == State::kIdle || state_ == State::kConnecting) close(fault);
}

void Client::close(std::string_view fault) noexcept {
  state_ = State::kClosing;
  close_fault_ = fault;
  shut_and_close();
}

void Client::shut_and_close() noexcept {
  if (in_.is_in_flight() || out_.is_in_flight()) {
    owner_.ring.shut_down(fd_);
    out_.cancel();  // A connect does not end with the shutdown.
  }
  close_when_quiet();
}

void Client::close_when_quiet() noexcept {
  if (in_.is_in_flight() || out_.is_in_flight()) return;
  owner_.ring.close(fd_);
  fd_ = -1;
  state_ = State::kClosed;
  owner_.on_closed(*this, close_fault_);
}

}  // namespace sluice::load
