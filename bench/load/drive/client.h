// One connection of a run and the request on it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <sluice/http/chunked.h>
#include <sluice/http/response_parser.h>
#include <sluice/io/op.h>
#include <sluice/io/ring.h>

#include "drive/event_reader.h"
#include "plan/workload.h"

namespace sluice::load {

class Client;

// How an answer ended.
struct Outcome {
  MonoTime at;
  uint16_t status = 0;
  std::string_view fault;  // Empty when the answer is good; "status" when it is not 200.
  bool has_left = false;   // The client went, as it was told to.
};

// A head that was read before. Servers repeat theirs to the byte, but for a date that changes once
// a second, so most heads need no parsing.
struct KnownHead {
  static constexpr size_t kBytesMax = 2048;
  std::string bytes;
  uint64_t length = 0;  // Of the body.
};

// What all clients of a run share, and whom they report to. The calls come from completions, so
// they must not destroy a client; they may start its next request.
class ClientOwner {
 public:
  virtual void on_connected(Client& client) noexcept = 0;
  // The connection is closed and may be opened again; `fault` is empty when nobody is to blame.
  virtual void on_closed(Client& client, std::string_view fault) noexcept = 0;
  virtual void on_sent(Client& client) noexcept = 0;
  virtual void on_answer(Client& client, const Outcome& outcome) noexcept = 0;

  ClientOwner(io::Ring& on, Tally& into) noexcept : ring(on), tally(into) {}
  io::Ring& ring;
  Tally& tally;
  KnownHead known_head;
  std::string_view reference;
  Duration stall{0};
  bool expects_events = false;

 protected:
  ~ClientOwner() = default;
};

// A state machine on completions. Not a coroutine: at saturation the generator must cost no more
// than what it measures, and resumes are a part of that (bench/load/beside_wrk).
class Client {
 public:
  enum class State : uint8_t { kClosed, kConnecting, kIdle, kBusy, kClosing };

  Client(ClientOwner& owner, uint32_t index) noexcept;
  // Must be closed.
  ~Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Begins to connect; on_connected() or on_closed() follows, never from within this call.
  // Empty, or why it cannot even begin.
  [[nodiscard]] std::string_view connect(const net::Address& address, int receive_bytes_max);
  // Begins a request; only when idle. `counts` says whether it is in the figures. The bytes of
  // `request` must live until on_answer(), which may be those of scratch().
  void start(const Request& request, MonoTime intended, bool counts) noexcept;
  // Ends what runs soon; on_answer() with `fault` comes now if a request ran, on_closed() later.
  void cut(std::string_view fault) noexcept;

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] uint32_t index() const noexcept { return index_; }
  [[nodiscard]] MonoTime intended() const noexcept { return intended_; }
  [[nodiscard]] bool counts() const noexcept { return counts_; }
  [[nodiscard]] uint32_t part() const noexcept { return request_.part; }
  // When a byte last moved.
  [[nodiscard]] MonoTime moved() const noexcept { return moved_; }
  [[nodiscard]] std::string& scratch() noexcept { return scratch_; }

  // The owner's notes.
  uint64_t done = 0;          // Requests so far.
  bool is_connected = false;  // Between on_connected() and on_closed().
  bool is_proven = false;     // An answer came on this connection.
  bool is_listed = false;     // Among the idle ones.
  bool is_punctual = false;   // The request did not wait for a connection.

 private:
  class Out final : public io::OpTarget {
   public:
    explicit Out(Client& client) noexcept : OpTarget(client.owner_.ring), client_(client) {}
    void connect(int fd, const net::Address& address) noexcept;
    void send(int fd, std::string_view bytes) noexcept;

   private:
    void complete(const io::KernelCompletion& completion, io::Buffer) noexcept override;
    Client& client_;
  };
  class In final : public io::OpTarget {
   public:
    explicit In(Client& client) noexcept : OpTarget(client.owner_.ring), client_(client) {}
    void receive(int fd) noexcept { start({.code = io::OpCode::kRecv, .fd = fd}); }

   private:
    void complete(const io::KernelCompletion& completion, io::Buffer buffer) noexcept override;
    Client& client_;
  };

  void on_connect(int32_t result) noexcept;
  void on_send(int32_t result) noexcept;
  void on_receive(int32_t result, std::string_view bytes) noexcept;
  void on_end() noexcept;
  // Reads as much of the answer as `bytes` hold.
  void read(std::string_view bytes) noexcept;
  // True when the head is whole; `bytes` is then what follows it.
  [[nodiscard]] bool read_head(std::string_view& bytes) noexcept;
  [[nodiscard]] bool take_known_head(std::string_view& bytes) noexcept;
  void take_head(const http::ResponseHead& head, std::string_view bytes) noexcept;
  void read_body(std::string_view bytes) noexcept;
  void take_payload(std::string_view payload) noexcept;
  void finish() noexcept;
  void end_request(std::string_view fault, bool can_reuse, bool has_left = false) noexcept;
  void close(std::string_view fault) noexcept;
  void shut_and_close() noexcept;
  void close_when_quiet() noexcept;

  ClientOwner& owner_;
  uint32_t index_;
  State state_ = State::kClosed;
  int fd_ = -1;
  net::Address address_;
  Out out_;
  In in_;

  Request request_;
  std::string_view unsent_;
  std::string scratch_;
  MonoTime intended_;
  MonoTime moved_;
  MonoTime now_;  // When the bytes that are being read came.
  bool counts_ = true;

  http::ResponseParser parser_;
  http::ChunkedDecoder decoder_;
  std::unique_ptr<EventReader> events_;  // Made for the first event stream.
  ByteCheck check_;
  std::string collected_;  // A head that came in pieces.
  uint64_t left_ = 0;      // Of a body by length.
  http::BodyKind kind_ = http::BodyKind::kNone;
  uint16_t status_ = 0;
  bool keeps_alive_ = true;
  bool is_in_body_ = false;
  bool is_events_ = false;
  std::string_view close_fault_;
};

}  // namespace sluice::load
