// One io_uring with provided buffers and a way to end: all that the bench's own peers need.
//
// Written beside Sluice's io module on purpose, so that a fault there cannot hide in the baseline.
#pragma once

#include <liburing.h>
#include <netinet/in.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::bare {

static_assert(offsetof(io_uring_buf_ring, bufs) == 0,
              "<linux/io_uring.h> was included before <liburing.h>");

// Accepts a numeric IPv4 address and a port, as in "127.0.0.1:8080".
[[nodiscard]] std::optional<sockaddr_in> parse_address(std::string_view text);

// What an entry on the ring was for; travels in the low bits of its owner's address.
enum class Op : uint8_t { kAccept, kConnect, kReceive, kDrain, kSend, kStop };

struct Done {
  Op op;
  void* owner;
  int result;
  uint16_t buffer;  // Of a kReceive with a result above zero.
  bool more;        // Of a kAccept: others will follow.
};

// A failure to set up throws std::system_error.
class BareRing {
 public:
  static constexpr uint32_t kBufferBytes = 16 * 1024;

  BareRing();
  ~BareRing();
  BareRing(const BareRing&) = delete;
  BareRing& operator=(const BareRing&) = delete;

  // --- what goes on the ring with the next wait. `owner` is aligned to 8 bytes.
  void accept_many(int listener);
  void connect(int fd, const sockaddr_in& address, void* owner);
  // Into whichever buffer is free, once.
  void receive(int fd, void* owner);
  // Takes up to `bytes` off the socket without copying them.
  void drain(int fd, uint32_t bytes, void* owner);
  // The bytes whole, or a failure.
  void send(int fd, std::string_view bytes, void* owner);

  [[nodiscard]] char* buffer(uint16_t id) const noexcept {
    return memory_.get() + size_t{id} * kBufferBytes;
  }
  void give_back(uint16_t id) noexcept;
  // After a receive that failed with ENOBUFS.
  void add_buffers();

  // Submits, waits for at least one completion or `timeout_ns`, and hands each to `take(Done)`.
  // False once SIGTERM or SIGINT came.
  template <typename Take>
  bool turn(std::optional<int64_t> timeout_ns, Take&& take) {
    wait(timeout_ns);
    io_uring_cqe* entry = nullptr;
    unsigned head = 0, count = 0;
    io_uring_for_each_cqe(&ring_, head, entry) {
      ++count;
      const Op op = static_cast<Op>(entry->user_data & kOpMask);
      if (op == Op::kStop) is_stopped_ = true;
      if (op == Op::kStop || is_stopped_) continue;
      take(Done{op, reinterpret_cast<void*>(entry->user_data & ~kOpMask), entry->res,
                static_cast<uint16_t>(entry->flags >> IORING_CQE_BUFFER_SHIFT),
                (entry->flags & IORING_CQE_F_MORE) != 0});
    }
    io_uring_cq_advance(&ring_, count);
    return !is_stopped_;
  }

 private:
  static constexpr uint64_t kOpMask = 7;
  static constexpr uint16_t kBuffersMax = 8192;
  // Few at first: buffers that go round soon stay in the cache.
  static constexpr uint16_t kBuffersStep = 128;

  io_uring_sqe* next_entry();
  static void tag(io_uring_sqe* entry, Op op, void* owner) noexcept;
  void wait(std::optional<int64_t> timeout_ns);

  io_uring ring_{};
  io_uring_buf_ring* free_ = nullptr;
  std::unique_ptr<char[]> memory_;
  uint16_t buffers_ = 0;
  int stop_fd_ = -1;
  std::array<char, 128> stop_bytes_{};
  bool is_stopped_ = false;
};

// A listening socket on `address`, which gets the port that the kernel chose when it had none.
// Others may listen there too.
[[nodiscard]] int listen_on(sockaddr_in& address);
[[nodiscard]] int new_socket();
void set_no_delay(int fd);
void raise_descriptor_limit();
// "listening on http://127.0.0.1:8080" as the first line; the port alone into `file` unless empty.
void announce(const sockaddr_in& address, const std::string& file);

}  // namespace sluice::bare
