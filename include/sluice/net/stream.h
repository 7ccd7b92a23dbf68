// A connected byte stream to a peer: one receive and one send in flight at most.
#pragma once

#include <sys/uio.h>

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include <sluice/base/ip_class.h>
#include <sluice/base/result.h>
#include <sluice/io/op.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>

namespace sluice::net {

class TlsSession;

// Told of a receive or a hangup as it completes, before a waiting coroutine is resumed. For owners
// that must notice bytes or a loss while no coroutine of theirs is waiting.
class StreamObserver {
 public:
  virtual void on_received() noexcept = 0;
  virtual void on_hung_up() noexcept = 0;

 protected:
  ~StreamObserver() = default;
};

// Bytes that went through a stream.
struct Traffic {
  uint64_t received = 0;
  uint64_t sent = 0;
};

// Who is at the other end, by the kernel: a system call. IPv4 as ::ffff:a.b.c.d. Empty once the
// peer has reset the connection.
[[nodiscard]] std::optional<Ipv6Bytes> peer_ip(io::Syscalls& syscalls, int fd) noexcept;

// Plain TCP, or TLS over it under the same contract: handshake() of net/tls.h comes first then.
//
// Nothing here suspends but close(). start_*() begins an operation, its event becomes ready,
// take_*() fetches the outcome; so a caller can wait for several things with io::first_of. Lives in
// one place (not movable) on one shard. Must be closed before it dies.
class Stream {
 public:
  static constexpr size_t kSlicesMax = 32;
  // Plaintext that is encrypted at a time: what a TLS stream holds of what it sends.
  static constexpr size_t kCipherBatchBytes = 64 * 1024;

  // Takes over `fd`. `side` says whom errors are blamed on.
  Stream(io::Ring& ring, int fd, Side side) noexcept;
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Begins a receive into a buffer of the ring, unless one is in flight or waits to be taken.
  void start_receive() noexcept;
  // The same into the caller's memory, which must live until received() is ready.
  void start_receive_into(char* address, uint32_t length) noexcept;
  [[nodiscard]] bool is_receiving() const noexcept { return receive_.is_in_flight(); }
  [[nodiscard]] io::Event& received() noexcept { return receive_; }
  // An empty buffer is the orderly end of the stream. Only when received() is ready.
  [[nodiscard]] Result<io::Buffer> take_received() noexcept;
  // Ends the receive in flight early; received() becomes ready all the same.
  void stop_receiving() noexcept { receive_.cancel(); }
  // The outcome of start_receive_into(): bytes received, 0 at the end of the stream.
  [[nodiscard]] Result<uint32_t> take_received_count() noexcept;
  // Null ends the observation.
  void set_observer(StreamObserver* observer) noexcept {
    receive_.observer = hangup_.observer = observer;
  }

  // Begins sending all slices, in order, as one message; not while is_sending(). The slices' bytes
  // must live until sent() is ready; the slices themselves are copied. At most kSlicesMax, not
  // empty in sum.
  void start_send(std::span<const std::string_view> slices) noexcept;
  [[nodiscard]] bool is_sending() const noexcept { return send_.is_in_flight(); }
  [[nodiscard]] io::Event& sent() noexcept { return send_; }
  // Whether everything went to the kernel. Only when sent() is ready; clears it.
  [[nodiscard]] Result<void> take_sent() noexcept;
  // Bytes that the kernel took so far, over the life of the stream.
  [[nodiscard]] uint64_t bytes_sent() const noexcept { return send_.total; }
  [[nodiscard]] uint64_t bytes_received() const noexcept { return receive_.total; }
  // What has come and gone since the last call.
  [[nodiscard]] Traffic take_traffic() noexcept;

  // Bytes that the peer's host has acknowledged; a system call, for rare looks only.
  [[nodiscard]] uint64_t bytes_acknowledged() const noexcept {
    return fd_ < 0 ? 0 : ring_.syscalls().acknowledged_bytes(fd_);
  }

  [[nodiscard]] std::optional<Ipv6Bytes> peer_ip() const noexcept {
    return fd_ < 0 ? std::nullopt : net::peer_ip(ring_.syscalls(), fd_);
  }

  // Begins a wait, which is the caller's, for bytes or the end, and takes neither.
  void await_readable(io::Op& wait) const noexcept;

  // Watches for the peer's FIN without taking data; hung_up() becomes ready.
  void start_hangup_watch() noexcept;
  [[nodiscard]] io::Event& hung_up() noexcept { return hangup_; }

  // Ends both directions in this instant, also for sends begun in this turn; operations in flight
  // complete soon after. Any number of calls.
  void shut_down() noexcept;
  // Ends the sending direction: the peer sees the end of the stream. Not while is_sending().
  void finish_sending() noexcept;
  [[nodiscard]] bool is_shut_down() const noexcept { return is_shut_down_; }
  // Shuts down, waits for the operations in flight, and closes the descriptor. Suspends.
  Task<void> close();
  // True when close() has nothing to wait for; then close_now() is the same without suspending.
  [[nodiscard]] bool is_quiet() const noexcept;
  void close_now() noexcept;

  [[nodiscard]] io::Ring& ring() noexcept { return ring_; }
  [[nodiscard]] Side side() const noexcept { return side_; }

  // --- TLS; for net/tls.h ---
  struct DropSession {
    void operator()(TlsSession* session) const noexcept;
  };
  using SessionPtr = std::unique_ptr<TlsSession, DropSession>;
  void set_tls(SessionPtr session) noexcept { tls_ = std::move(session); }
  // From now on everything is encrypted. Nothing may be in flight.
  void begin_tls() noexcept;
  [[nodiscard]] TlsSession* tls() const noexcept { return tls_.get(); }
  // RFC 2253 subject of the client's verified certificate; "" without TLS or without one.
  [[nodiscard]] std::string_view peer_subject() const noexcept;
  // Whether the handshake took up an earlier session.
  [[nodiscard]] bool is_resumed() const noexcept;

 private:
  class ReceiveOp final : public io::Event, public io::OpTarget {
   public:
    explicit ReceiveOp(io::Ring& ring) noexcept : Event(ring.ready()), OpTarget(ring) {}
    void begin(const io::Submission& submission) noexcept;
    // Makes the outcome known.
    void end() noexcept;
    StreamObserver* observer = nullptr;
    Stream* decrypter = nullptr;  // Set once TLS has begun.
    io::Buffer buffer;
    int32_t result = 0;
    uint64_t total = 0;

   private:
    void complete(const io::KernelCompletion& completion, io::Buffer received) noexcept override;
  };

  // Restarts itself after a short send, so that its event means "all or failed".
  class SendOp final : public io::Event, public io::OpTarget {
   public:
    explicit SendOp(io::Ring& ring) noexcept : Event(ring.ready()), OpTarget(ring) {}
    void begin(int fd, std::span<const std::string_view> slices) noexcept;
    TlsSession* tls = nullptr;  // Set once TLS has begun.
    int32_t error = 0;
    uint64_t total = 0;

   private:
    void complete(const io::KernelCompletion& completion, io::Buffer) noexcept override;
    void submit() noexcept;
    void take_off(size_t taken) noexcept;
    // The same for TLS: a batch of records is made of slices and goes out, then the next.
    void submit_records() noexcept;
    void complete_records(size_t taken) noexcept;
    void drop_records() noexcept;
    [[nodiscard]] bool encrypt_record() noexcept;
    int fd_ = -1;
    uint32_t first_ = 0;  // Slices before it have been sent, or encrypted, whole.
    uint32_t count_ = 0;
    msghdr message_{};
    std::array<iovec, kSlicesMax> slices_;
    size_t records_sent_ = 0;  // Bytes of the batch that the kernel took.
  };

  class HangupOp final : public io::Event, public io::OpTarget {
   public:
    explicit HangupOp(io::Ring& ring) noexcept : Event(ring.ready()), OpTarget(ring) {}
    void begin(int fd) noexcept;
    StreamObserver* observer = nullptr;

   private:
    void complete(const io::KernelCompletion& completion, io::Buffer) noexcept override;
  };

  [[nodiscard]] Unexpected lost(int32_t result) const noexcept;
  [[nodiscard]] std::string_view tls_failure() const noexcept;
  void decrypt_received() noexcept;
  // True when there is something to tell: plaintext, the end, or a failure.
  [[nodiscard]] bool take_plaintext() noexcept;
  void start_decrypting(char* into, uint32_t room) noexcept;
  // What TLS has to say before the socket closes: an alert, or the orderly end.
  void say_last_words() noexcept;

  io::Ring& ring_;
  int fd_;
  Side side_;
  bool is_shut_down_ = false;
  Traffic taken_;  // What take_traffic() has told so far.
  ReceiveOp receive_;
  SendOp send_;
  HangupOp hangup_;
  SessionPtr tls_;
  char* into_ = nullptr;  // Where plaintext goes that start_receive_into() asked for.
  uint32_t into_room_ = 0;
};

}  // namespace sluice::net
