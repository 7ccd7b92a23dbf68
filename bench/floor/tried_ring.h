// The floor's ring with techniques to switch on, each by name.
#pragma once

#include <liburing.h>
#include <netinet/in.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace sluice::bare {

// What is tried; the defaults are what the floor does.
struct Techniques {
  bool is_direct = false;       // Sockets in the ring's own table, without a descriptor.
  bool is_multishot = false;    // A receive stays armed; cancelled while its sends are behind.
  bool is_ahead = false;        // The next receive goes on the ring with the send.
  bool has_bundles = false;     // A receive may fill several buffers, of 4 KiB.
  bool has_increments = false;  // Receives share large buffers, each taking what it needs.
  bool is_lifo = false;         // The buffer that was given back last is filled next.
  bool polls_first = true;
  bool sends_whole = true;  // MSG_WAITALL.
  uint16_t hot = 128;       // Buffers at first, and how many more when they run out.
  unsigned wait_us = 0;     // How long a turn waits for `wait_count` completions.
  unsigned wait_count = 1;
  unsigned submissions = 4096;
  unsigned completions = 16384;
  unsigned task_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
};

// Names with commas between; nothing when one is unknown or two of them do not go together.
[[nodiscard]] std::optional<Techniques> parse_techniques(std::string_view names);

// Received bytes, in a buffer or a part of one.
struct Piece {
  char* begin;
  uint32_t length;
  uint16_t buffer;
};

// A failure to set up throws std::system_error.
class TriedRing {
 public:
  enum class Op : uint8_t { kAccept, kConnect, kReceive, kSend, kCancel, kShutdown };
  static constexpr uint64_t kOpMask = 7;

  explicit TriedRing(const Techniques& tried);
  ~TriedRing();
  TriedRing(const TriedRing&) = delete;
  TriedRing& operator=(const TriedRing&) = delete;

  // `socket` is what accept_many() brought or add_socket() gave. `owner` is aligned to 8 bytes.
  void accept_many(int listener);
  void connect(int socket, const sockaddr_in& address, void* owner);
  void receive(int socket, void* owner);
  void send(int socket, const Piece& piece, void* owner);
  void send_many(int socket, const msghdr& message, void* owner);
  void cancel_receive(void* owner);
  void shut_down(int socket, void* owner);

  // Takes a descriptor into the ring's table, where that is tried.
  [[nodiscard]] int add_socket(int fd);
  void remove_socket(int socket);

  // What a receive brought, in order. Give each back.
  void collect(const io_uring_cqe& entry, std::vector<Piece>& pieces);
  void give_back(const Piece& piece) noexcept;
  // After a receive that failed with ENOBUFS.
  void add_buffers();

  // Submits, waits and hands each completion to `take(op, owner, entry)`.
  template <typename Take>
  void turn(Take&& take) {
    wait();
    io_uring_cqe* entry = nullptr;
    unsigned head = 0, count = 0;
    io_uring_for_each_cqe(&ring_, head, entry) {
      ++count;
      take(static_cast<Op>(entry->user_data & kOpMask),
           reinterpret_cast<void*>(entry->user_data & ~kOpMask), *entry);
    }
    io_uring_cq_advance(&ring_, count);
  }

 private:
  // How far a buffer that several receives share is used, and what of it is still held.
  struct Use {
    uint32_t filled = 0;
    uint32_t held = 0;
    bool is_full = false;
  };

  io_uring_sqe* next_entry();
  void finish(io_uring_sqe* entry, Op op, void* owner, bool is_socket = true) const noexcept;
  [[nodiscard]] char* address(uint16_t id) const noexcept {
    return memory_.get() + size_t{id} * buffer_bytes_;
  }
  void open_ring();
  void open_buffers();
  void provide(uint16_t id) noexcept;
  void recycle(uint16_t id) noexcept;
  void top_up() noexcept;
  void wait();
  unsigned flush() noexcept;

  Techniques tried_;
  io_uring ring_{};
  io_uring_buf_ring* free_ = nullptr;
  uint32_t buffer_bytes_;
  uint16_t buffers_most_;
  uint16_t buffers_ = 0;
  std::unique_ptr<char[]> memory_;
  std::vector<Use> uses_;
  // The order in which buffers were provided, and where in it each stands.
  std::vector<uint16_t> order_;
  std::vector<uint32_t> places_;
  uint32_t provided_ = 0;
  uint32_t taken_ = 0;
  std::vector<uint16_t> stack_;
  std::vector<int> free_slots_;
};

}  // namespace sluice::bare
