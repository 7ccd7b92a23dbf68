// The memory of a bank table: how it is laid out, who shares it, and where it comes from.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include <sluice/base/process_seat.h>
#include <sluice/limit/bank.h>
#include <sluice/limit/bank_table.h>

namespace sluice::limit {

// The first page. Memory of another process, or of an earlier one, is used only when it fits.
struct BankHead {
  uint64_t magic;
  uint32_t version;
  uint32_t record_bytes;
  uint64_t sets;
  uint64_t seed;
  std::atomic<int64_t> offset_us;  // Of the time line, from monotonic time.
  std::atomic<int64_t> line_us;    // Where the time line stood.
  std::atomic<uint32_t> mode;      // The ledger, and the gateways above it.
  std::atomic<uint32_t> in_use;
  std::array<std::atomic<int32_t>, ProcessSeat::kSeats> pids;  // 0 is a free seat.
  std::atomic<BankTable::Note> note;
  std::atomic<uint32_t> note_bytes;
  std::atomic<uint32_t> sweeper;  // The seat that frees records just now, and one; 0 is nobody.
};

// A count of places by the hash of its name.
struct SharedPlaces {
  std::atomic<uint64_t> name;
  std::atomic<int64_t> taken;
};

// A process has its seat by a lock on a byte of the descriptor, which the kernel takes away when
// the process ends, however it does. So no duplicate of the descriptor may be closed in this
// process while the memory is in use.
class BankMemory {
 public:
  static constexpr size_t kWays = 16;
  static constexpr uint32_t kPlacesMost = 16'384;

  // Errors are sentences with cause and remedy. Anonymous memory:
  [[nodiscard]] static std::expected<std::unique_ptr<BankMemory>, std::string> make(
      uint32_t subjects_max);
  // A file, which no other process may have.
  [[nodiscard]] static std::expected<std::unique_ptr<BankMemory>, std::string> open(
      const std::string& path, uint32_t subjects_max);
  // What another process shares; owns `fd`, also when it fails. Of any size that fits its head.
  [[nodiscard]] static std::expected<std::unique_ptr<BankMemory>, std::string> attach(
      int fd, const std::string& path);
  ~BankMemory();
  BankMemory(const BankMemory&) = delete;
  BankMemory& operator=(const BankMemory&) = delete;

  // Whether its head is of this version and size.
  [[nodiscard]] bool is_fit() const noexcept;
  // Begins anew. Memory that is new is clear already, and touched only when it is used.
  void begin(bool is_new) noexcept;
  // Nobody has a seat: of a file whose process is gone.
  void clear_seats() noexcept;
  // False when all are taken by processes that live. May be the seat of one that is gone, whose
  // counts are then still there.
  [[nodiscard]] bool take_seat(ProcessSeat* seat) noexcept;
  // True when the process of that seat is gone; its counts are then to be forgotten, and the seat
  // to be freed.
  [[nodiscard]] bool is_gone(ProcessSeat seat) noexcept;
  void free_seat(ProcessSeat seat) noexcept;
  [[nodiscard]] bool is_alone(ProcessSeat own) const noexcept;

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] size_t sets() const noexcept { return sets_; }
  [[nodiscard]] size_t records() const noexcept { return sets_ * kWays; }
  [[nodiscard]] BankHead& head() noexcept { return *reinterpret_cast<BankHead*>(memory_); }
  [[nodiscard]] SharedPlaces* places() noexcept;
  // A bit for each record.
  [[nodiscard]] std::atomic<uint64_t>* marks() noexcept;
  // What each record is known by, 0 while it is free. Beside the records, so that looking for those
  // in use touches no memory of the others.
  [[nodiscard]] std::atomic<uint64_t>* ids() noexcept;
  [[nodiscard]] Bank* banks() noexcept;
  // BankTable::kNoteBytes of them.
  [[nodiscard]] char* note() noexcept;

 private:
  BankMemory(int fd, size_t sets) noexcept : fd_(fd), sets_(sets) {}
  [[nodiscard]] bool map() noexcept;
  [[nodiscard]] bool lock_seat(ProcessSeat seat, bool locks) noexcept;
  [[nodiscard]] size_t marks_at() const noexcept;
  [[nodiscard]] size_t ids_at() const noexcept;
  [[nodiscard]] size_t banks_at() const noexcept;
  [[nodiscard]] size_t note_at() const noexcept;
  [[nodiscard]] size_t bytes() const noexcept { return note_at() + BankTable::kNoteBytes; }

  int fd_;
  size_t sets_;
  char* memory_ = nullptr;
};

}  // namespace sluice::limit
