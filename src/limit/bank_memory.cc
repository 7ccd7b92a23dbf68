#include "bank_memory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace sluice::limit {
namespace {

constexpr size_t kHeadBytes = 4096;
constexpr uint64_t kMagic = 0x6b6e'6162'6563'756c;  // "lucebank", little endian.
// To be raised with every change of the layout: two versions must not share memory.
constexpr uint32_t kVersion = 3;
static_assert(sizeof(BankHead) <= kHeadBytes);
static_assert(sizeof(Bank) == 704, "another layout: raise kVersion");

// A set is full before all are: a quarter more of them leaves room for chance.
constexpr size_t sets_for(uint32_t subjects_max) noexcept {
  return (size_t{subjects_max} * 5 / 4 + BankMemory::kWays - 1) / BankMemory::kWays;
}

std::string reason() { return errno != 0 ? std::string(": ") + std::strerror(errno) : ""; }

bool is_same_file(const std::string& path, const struct stat& known) noexcept {
  struct stat state{};
  return ::stat(path.c_str(), &state) == 0 && state.st_dev == known.st_dev &&
         state.st_ino == known.st_ino;
}

}  // namespace

std::expected<std::unique_ptr<BankMemory>, std::string> BankMemory::make(uint32_t subjects_max) {
  const int fd = memfd_create("sluice-banks", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  std::unique_ptr<BankMemory> memory(new BankMemory(fd, sets_for(subjects_max)));
  // Nobody who is given the descriptor can take the memory away.
  const bool is_made = fd >= 0 && ftruncate(fd, static_cast<off_t>(memory->bytes())) == 0 &&
                       fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0 && memory->map();
  if (is_made) return memory;
  return std::unexpected(
      fmt::format("limits.subjects_max: no memory for {} bytes of counts{}; make it smaller",
                  memory->bytes(), reason()));
}

std::expected<std::unique_ptr<BankMemory>, std::string> BankMemory::open(const std::string& path,
                                                                         uint32_t subjects_max) {
  const auto fault = [&path](std::string_view what, std::string_view remedy) {
    return std::unexpected(
        fmt::format("limits.bank_file {}: {}{}; {}", path, what, reason(), remedy));
  };
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  std::unique_ptr<BankMemory> memory(new BankMemory(fd, sets_for(subjects_max)));
  if (fd < 0) return fault("cannot be opened", "give a file in a directory that Sluice may write");
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return fault("is used by another process", "give each gateway a file of its own");
  }
  struct stat state{};
  errno = 0;
  if (fstat(fd, &state) != 0 || !S_ISREG(state.st_mode)) {
    return fault("is not a plain file", "give a path where one can be made");
  }
  // Blocks are set aside now: a full disk must not end the process later.
  errno = 0;
  const size_t bytes = memory->bytes();
  if (static_cast<size_t>(state.st_size) != bytes) {
    const bool is_sized = ftruncate(fd, 0) == 0 && ftruncate(fd, static_cast<off_t>(bytes)) == 0;
    if (!is_sized) return fault("cannot be given its size", "make room on its disk");
    errno = posix_fallocate(fd, 0, static_cast<off_t>(bytes));
    if (errno != 0) return fault("cannot be given its blocks", "make room on its disk");
  }
  if (!memory->map()) return fault("cannot be mapped", "make limits.subjects_max smaller");
  return memory;
}

std::expected<std::unique_ptr<BankMemory>, std::string> BankMemory::attach(
    int fd, const std::string& path) {
  std::unique_ptr<BankMemory> memory(new BankMemory(fd, 0));
  const auto refuse = [](std::string_view why) {
    return std::unexpected(fmt::format(
        "the counts of limits of the running process cannot be taken over: {}; stop it and start "
        "this version",
        why));
  };
  BankHead head{};
  struct stat state{};
  errno = 0;
  if (fstat(fd, &state) != 0) return refuse("they cannot be looked at" + reason());
  if (!path.empty() && !is_same_file(path, state)) {
    return refuse("they are not in limits.bank_file, " + path);
  }
  const ssize_t count = pread(fd, &head, sizeof head, 0);
  const bool is_known = count == static_cast<ssize_t>(sizeof head) && head.magic == kMagic &&
                        head.version == kVersion && head.record_bytes == sizeof(Bank) &&
                        head.sets > 0 && head.sets < UINT32_MAX;
  if (!is_known) return refuse("they are of another version");
  memory->sets_ = head.sets;
  if (static_cast<size_t>(state.st_size) != memory->bytes()) return refuse("their size is wrong");
  errno = 0;
  if (!memory->map()) return refuse("they cannot be mapped" + reason());
  return memory;
}

BankMemory::~BankMemory() {
  if (memory_ != nullptr) munmap(memory_, bytes());
  if (fd_ >= 0) ::close(fd_);
}

bool BankMemory::map() noexcept {
  void* const memory =
      mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd_, 0);
  if (memory == MAP_FAILED) return false;
  memory_ = static_cast<char*>(memory);
  return true;
}

bool BankMemory::is_fit() const noexcept {
  const auto& head = *reinterpret_cast<const BankHead*>(memory_);
  return head.magic == kMagic && head.version == kVersion && head.record_bytes == sizeof(Bank) &&
         head.sets == sets_;
}

void BankMemory::begin(bool is_new) noexcept {
  if (!is_new) std::memset(memory_, 0, bytes());
  head().version = kVersion;
  head().record_bytes = sizeof(Bank);
  head().sets = sets_;
  head().magic = kMagic;
}

// --- seats -------------------------------------------------------------------------------------

bool BankMemory::lock_seat(ProcessSeat seat, bool locks) noexcept {
  struct flock lock{};
  lock.l_type = locks ? F_WRLCK : F_UNLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = seat.number();
  lock.l_len = 1;
  return fcntl(fd_, F_SETLK, &lock) == 0;
}

void BankMemory::clear_seats() noexcept {
  for (std::atomic<int32_t>& pid : head().pids) pid.store(0);
  for (uint32_t i = 0; i < kPlacesMost; ++i) {
    // Most of it was never touched, and is not now.
    if (places()[i].name.load() != 0) places()[i].taken.store(0);
  }
}

bool BankMemory::take_seat(ProcessSeat* seat) noexcept {
  for (uint32_t i = 0; i < ProcessSeat::kSeats; ++i) {
    const ProcessSeat free(i);
    // A lock would not keep this process itself out.
    if (head().pids[i].load() == getpid() || !lock_seat(free, true)) continue;
    *seat = free;
    return true;
  }
  return false;
}

bool BankMemory::is_gone(ProcessSeat seat) noexcept {
  const int32_t pid = head().pids[seat.number()].load();
  if (pid == 0 || pid == getpid() || !lock_seat(seat, true)) return false;
  // Between the look and the lock somebody else may have seen to it.
  if (head().pids[seat.number()].load() == pid) return true;
  (void)lock_seat(seat, false);
  return false;
}

void BankMemory::free_seat(ProcessSeat seat) noexcept {
  head().pids[seat.number()].store(0);
  (void)lock_seat(seat, false);
}

bool BankMemory::is_alone(ProcessSeat own) const noexcept {
  const auto& pids = reinterpret_cast<const BankHead*>(memory_)->pids;
  for (uint32_t i = 0; i < pids.size(); ++i) {
    if (i != own.number() && pids[i].load(std::memory_order_relaxed) != 0) return false;
  }
  return true;
}

// --- layout ------------------------------------------------------------------------------------

size_t BankMemory::marks_at() const noexcept {
  return kHeadBytes + kPlacesMost * sizeof(SharedPlaces);
}

size_t BankMemory::ids_at() const noexcept {
  return marks_at() + (records() + 63) / 64 * sizeof(uint64_t);
}

size_t BankMemory::banks_at() const noexcept {
  const size_t end = ids_at() + records() * sizeof(uint64_t);
  return (end + kHeadBytes - 1) / kHeadBytes * kHeadBytes;
}

SharedPlaces* BankMemory::places() noexcept {
  return reinterpret_cast<SharedPlaces*>(memory_ + kHeadBytes);
}

std::atomic<uint64_t>* BankMemory::marks() noexcept {
  return reinterpret_cast<std::atomic<uint64_t>*>(memory_ + marks_at());
}

std::atomic<uint64_t>* BankMemory::ids() noexcept {
  return reinterpret_cast<std::atomic<uint64_t>*>(memory_ + ids_at());
}

size_t BankMemory::note_at() const noexcept {
  const size_t end = banks_at() + records() * sizeof(Bank);
  return (end + kHeadBytes - 1) / kHeadBytes * kHeadBytes;
}

char* BankMemory::note() noexcept { return memory_ + note_at(); }

Bank* BankMemory::banks() noexcept { return reinterpret_cast<Bank*>(memory_ + banks_at()); }

}  // namespace sluice::limit
