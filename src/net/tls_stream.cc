// What net::Stream does differently once it speaks TLS.
#include <sluice/net/stream.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <sluice/base/assert.h>

#include "tls_session.h"

namespace sluice::net {

std::string_view Stream::tls_failure() const noexcept { return tls_->failure(); }

void Stream::begin_tls() noexcept {
  SLUICE_ASSERT(!receive_.is_in_flight() && !receive_.is_ready() && !send_.is_in_flight());
  receive_.decrypter = this;
  send_.tls = tls_.get();
}

std::string_view Stream::peer_subject() const noexcept {
  return tls_ == nullptr ? std::string_view() : tls_->peer_subject();
}

bool speaks_http2(const Stream& stream) noexcept {
  return stream.tls() != nullptr && stream.tls()->is_http2();
}

bool Stream::is_resumed() const noexcept { return tls_ != nullptr && tls_->is_resumed(); }

// --- receiving --------------------------------------------------------------------------------

void Stream::start_decrypting(char* into, uint32_t room) noexcept {
  tls_->lighten(ring_.now());
  into_ = into;
  into_room_ = room;
  const bool may_have_more = !tls_->plaintext.is_empty() || tls_->has_more();
  if (may_have_more && take_plaintext()) {
    receive_.trigger();  // The observer is not told: its owner sees it by itself.
    return;
  }
  receive_.begin({.code = io::OpCode::kRecv, .fd = fd_});
}

bool Stream::take_plaintext() noexcept {
  io::Buffer& plaintext = tls_->plaintext;
  if (plaintext.is_empty()) {
    plaintext = ring_.buffers().take_spare();
    if (!plaintext.is_held()) {
      receive_.result = -ENOBUFS;
      return true;
    }
    size_t count = 0;
    const TlsSession::Read outcome =
        tls_->read(plaintext.spare_data(), io::BufferPool::kSpareUsableBytes, &count);
    plaintext.set_spare_length(count);
    if (outcome != TlsSession::Read::kBytes) plaintext.release();
    if (outcome == TlsSession::Read::kWantsInput) return false;
    if (outcome != TlsSession::Read::kBytes) {
      receive_.result = outcome == TlsSession::Read::kEnd ? 0 : -EPROTO;
      return true;
    }
  }
  if (into_ == nullptr) {
    receive_.result = static_cast<int32_t>(plaintext.bytes().size());
    receive_.buffer = std::move(plaintext);
    return true;
  }
  const size_t count = std::min<size_t>(into_room_, plaintext.bytes().size());
  std::memcpy(into_, plaintext.bytes().data(), count);
  plaintext.remove_prefix(count);
  if (plaintext.is_empty()) plaintext.release();
  receive_.result = static_cast<int32_t>(count);
  return true;
}

void Stream::decrypt_received() noexcept {
  if (receive_.result > 0) {
    tls_->feed(std::move(receive_.buffer));
    if (!take_plaintext()) {
      receive_.begin({.code = io::OpCode::kRecv, .fd = fd_});
      return;
    }
  } else if (receive_.result == 0) {
    // An end that TLS did not announce may be an attacker's (RFC 8446 6.1).
    receive_.result = -EBADMSG;
  }
  receive_.end();
}

// --- sending ----------------------------------------------------------------------------------

// Small slices share a record; a large one is encrypted where it lies.
bool Stream::SendOp::encrypt_record() noexcept {
  static thread_local std::array<char, TlsSession::kRecordBytes> joined;
  const iovec& first = slices_[first_];
  const bool is_alone = first_ + 1 == count_ || first.iov_len >= joined.size();
  if (is_alone) {
    const size_t count = std::min(first.iov_len, joined.size());
    const bool is_written = tls->write({static_cast<const char*>(first.iov_base), count});
    take_off(count);
    return is_written;
  }
  size_t count = 0;
  while (first_ < count_ && count < joined.size()) {
    const iovec& slice = slices_[first_];
    const size_t part = std::min(slice.iov_len, joined.size() - count);
    std::memcpy(joined.data() + count, slice.iov_base, part);
    count += part;
    take_off(part);
  }
  return tls->write({joined.data(), count});
}

void Stream::SendOp::submit_records() noexcept {
  tls->lighten(ring_.now());
  bool is_good = true;
  while (is_good && first_ < count_ && tls->output().size() < kCipherBatchBytes) {
    is_good = encrypt_record();
  }
  if (!is_good) {
    error = -EPROTO;
    trigger();
    return;
  }
  records_sent_ = 0;
  const std::string_view batch = tls->take_batch();
  start({.code = io::OpCode::kSend,
         .fd = fd_,
         .address = batch.data(),
         .length = static_cast<uint32_t>(batch.size())});
}

void Stream::SendOp::complete_records(size_t taken) noexcept {
  records_sent_ += taken;
  const std::string_view left = tls->batch().substr(records_sent_);
  if (!left.empty()) {
    start({.code = io::OpCode::kSend,
           .fd = fd_,
           .address = left.data(),
           .length = static_cast<uint32_t>(left.size())});
    return;
  }
  tls->batch_sent();
  if (first_ < count_) return submit_records();
  trigger();
}

void Stream::SendOp::drop_records() noexcept { tls->batch_sent(); }

void Stream::say_last_words() noexcept {
  if (tls_ == nullptr || is_shut_down_ || send_.is_in_flight()) return;
  tls_->end();
  if (tls_->output().empty()) return;
  ring_.syscalls().send_now(fd_, tls_->take_batch());
  tls_->batch_sent();
}

}  // namespace sluice::net
