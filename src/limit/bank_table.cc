#include <sluice/limit/bank_table.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

#include <fmt/format.h>

namespace sluice::limit {
namespace {

constexpr size_t kHeadBytes = 4096;
constexpr uint64_t kMagic = 0x6b6e'6162'6563'756c;  // "lucebank", little endian.
constexpr uint32_t kVersion = 1;

// The finaliser of MurmurHash3 (public domain, A. Appleby).
constexpr uint64_t mix(uint64_t x) noexcept {
  x = (x ^ x >> 33) * 0xff51'afd7'ed55'8ccd;
  x = (x ^ x >> 33) * 0xc4ce'b9fe'1a85'ec53;
  return x ^ x >> 33;
}

}  // namespace

// The first page of a file. A file is used only when all of it fits.
struct BankTable::FileHead {
  uint64_t magic;
  uint32_t version;
  uint32_t record_bytes;
  uint64_t sets;
  uint64_t seed;
  std::atomic<int64_t> line_us;  // Where the time line stood.
};

std::expected<std::unique_ptr<BankTable>, std::string> BankTable::make(Parts parts) {
  std::unique_ptr<BankTable> table(new BankTable);
  // A set is full before all are: a quarter more of them leaves room for chance.
  table->sets_ = (size_t{parts.subjects_max} * 5 / 4 + kWays - 1) / kWays;
  const size_t records = table->sets_ * kWays;
  const size_t bytes = kHeadBytes + records * sizeof(Bank);
  const std::string fault =
      parts.file.empty() ? table->map_memory(bytes) : table->map_file(parts.file, bytes);
  if (!fault.empty()) return std::unexpected(fault);
  table->mark_words_ = (records + 63) / 64;
  table->marks_ = std::make_unique<std::atomic<uint64_t>[]>(table->mark_words_);
  table->take_over(parts);
  return table;
}

std::string BankTable::map_memory(size_t bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return fmt::format("limits.subjects_max: no memory for {} bytes of counts; make it smaller",
                       bytes);
  }
  memory_ = static_cast<char*>(memory);
  memory_bytes_ = bytes;
  return "";
}

std::string BankTable::map_file(const std::string& path, size_t bytes) {
  const auto fault = [&path](std::string_view what, std::string_view remedy) {
    return fmt::format("limits.bank_file {}: {}{}{}; {}", path, what, errno != 0 ? ": " : "",
                       errno != 0 ? std::strerror(errno) : "", remedy);
  };
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd_ < 0) return fault("cannot be opened", "give a file in a directory that Sluice may write");
  if (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    return fault("is used by another process", "give each gateway a file of its own");
  }
  struct stat state{};
  errno = 0;
  if (fstat(fd_, &state) != 0 || !S_ISREG(state.st_mode)) {
    return fault("is not a plain file", "give a path where one can be made");
  }
  // Blocks are set aside now: a full disk must not end the process later.
  errno = 0;
  if (static_cast<size_t>(state.st_size) != bytes) {
    const bool is_sized = ftruncate(fd_, 0) == 0 && ftruncate(fd_, static_cast<off_t>(bytes)) == 0;
    if (!is_sized) return fault("cannot be given its size", "make room on its disk");
    errno = posix_fallocate(fd_, 0, static_cast<off_t>(bytes));
    if (errno != 0) return fault("cannot be given its blocks", "make room on its disk");
  }
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (memory == MAP_FAILED) return fault("cannot be mapped", "make limits.subjects_max smaller");
  memory_ = static_cast<char*>(memory);
  memory_bytes_ = bytes;
  return "";
}

void BankTable::take_over(Parts& parts) noexcept {
  head_ = reinterpret_cast<FileHead*>(memory_);
  records_ = reinterpret_cast<Bank*>(memory_ + kHeadBytes);
  was_found_ = head_->magic == kMagic && head_->version == kVersion &&
               head_->record_bytes == sizeof(Bank) && head_->sets == sets_;
  if (!was_found_) return begin_anew(parts);
  clock_ = LimitClock(parts.now, parts.wall,
                      LimitTime(microseconds(head_->line_us.load(std::memory_order_relaxed))));
  seed_ = head_->seed;
  const LimitTime now = clock_.at(parts.now);
  for (size_t i = 0; i < sets_ * kWays; ++i) {
    Bank& bank = records_[i];
    const uint64_t id = bank.id_.load(std::memory_order_relaxed);
    if (id == 0) continue;
    bank.users_.store(0, std::memory_order_relaxed);
    // A claim that was not finished, requests in flight of a process that is gone, or what has
    // returned meanwhile.
    const bool is_dead =
        (id & kProvisional) != 0 || bank.kind_.load() == BankTerms::Kind::kConcurrent;
    if (is_dead || bank.used(now) == 0) {
      bank.reset();
      bank.id_.store(0);
      continue;
    }
    bank.forget_ledger();
    in_use_.fetch_add(1);
  }
}

void BankTable::begin_anew(Parts& parts) noexcept {
  if (fd_ >= 0) std::memset(memory_, 0, memory_bytes_);
  clock_ = LimitClock(parts.now, parts.wall);
  seed_ = mix(static_cast<uint64_t>(parts.wall.unix_us) ^ reinterpret_cast<uintptr_t>(memory_));
  head_->version = kVersion;
  head_->record_bytes = sizeof(Bank);
  head_->sets = sets_;
  head_->seed = seed_;
  head_->magic = kMagic;
}

BankTable::~BankTable() {
  if (memory_ != nullptr) munmap(memory_, memory_bytes_);
  if (fd_ >= 0) ::close(fd_);
}

void BankTable::note_time(LimitTime now) noexcept {
  head_->line_us.store(now.time_since_epoch().count(), std::memory_order_relaxed);
}

// --- records -----------------------------------------------------------------------------------

uint64_t BankTable::id_of(const BankKey& key) const noexcept {
  const uint64_t id = mix(key.rule ^ mix(key.subject ^ seed_)) & ~kProvisional;
  return id == 0 ? 1 : id;
}

// A key's records are tried in one order by everybody: those of one set, then of another.
template <class Visit>
Bank* BankTable::first_of_ways(uint64_t id, Visit visit) const noexcept {
  const uint64_t sets[] = {id % sets_, mix(id) % sets_};
  for (const uint64_t set : sets) {
    for (size_t way = 0; way < kWays; ++way) {
      Bank* const bank = records_ + set * kWays + way;
      if (visit(*bank)) return bank;
    }
  }
  return nullptr;
}

Bank* BankTable::find_record(uint64_t id) const noexcept {
  return first_of_ways(id, [id](const Bank& bank) { return bank.id_.load() == id; });
}

bool BankTable::try_join(Bank& bank, uint64_t id) noexcept {
  int32_t users = bank.users_.load();
  do {
    if (users < 0) return false;  // Being freed.
  } while (!bank.users_.compare_exchange_weak(users, users + 1));
  if (bank.id_.load() == id) return true;
  bank.users_.fetch_sub(1);
  return false;
}

// Whether the key has, or is just getting, a record beside `own`, which is claimed. Of two claims
// at one moment the one that is tried first stays: it looks again until the other has seen it and
// is gone, or was certain before and stays.
bool BankTable::is_doubled(uint64_t id, const Bank* own) const noexcept {
  for (int i = 0; i < kLooksMost; ++i) {
    bool is_behind = false;
    bool has_rival = false;
    const Bank* const other = first_of_ways(id, [&](const Bank& bank) {
      if (&bank == own) {
        is_behind = true;
        return false;
      }
      const uint64_t known = bank.id_.load();
      const bool is_rival = known == (id | kProvisional);
      has_rival |= is_rival && is_behind;
      return known == id || (is_rival && !is_behind);
    });
    if (other != nullptr) return true;
    if (!has_rival) return false;
  }
  return true;
}

Bank* BankTable::claim(uint64_t id, const BankKey& key, const BankTerms& terms) noexcept {
  // In the emptier set, so that both fill up evenly (Azar et al., "Balanced allocations", 1999).
  std::array<uint32_t, 2> free_ways{};
  uint32_t tried = 0;
  (void)first_of_ways(id, [&](const Bank& record) {
    if (record.id_.load() == 0) ++free_ways[tried / kWays];
    ++tried;
    return false;
  });
  const uint32_t from = free_ways[1] > free_ways[0] ? kWays : 0;
  tried = 0;
  Bank* const bank = first_of_ways(id, [&](Bank& record) {
    uint64_t free = 0;
    return tried++ >= from && record.id_.load() == 0 &&
           record.id_.compare_exchange_strong(free, id | kProvisional);
  });
  if (bank == nullptr) return nullptr;
  if (is_doubled(id, bank)) {
    bank->id_.store(0);
    return nullptr;
  }
  bank->rule_.store(key.rule, std::memory_order_relaxed);
  bank->subject_.store(key.subject, std::memory_order_relaxed);
  bank->set_terms(terms);
  bank->users_.fetch_add(1);
  const uint32_t mode = mode_.load();
  apply(mode, *bank);
  bank->id_.store(id);
  // Whoever changed the mode meanwhile may not have seen this record.
  if (const uint32_t newer = mode_.load(); newer != mode) apply(newer, *bank);
  in_use_.fetch_add(1);
  return bank;
}

Bank* BankTable::open(const BankKey& key, const BankTerms& terms) noexcept {
  const uint64_t id = id_of(key);
  for (int i = 0; i < kClaimTries; ++i) {
    if (Bank* const known = find_record(id)) {
      if (!try_join(*known, id)) continue;
      known->set_terms(terms);
      return known;
    }
    if (Bank* const claimed = claim(id, key, terms)) return claimed;
    const bool is_full =
        first_of_ways(id, [](const Bank& bank) { return bank.id_.load() == 0; }) == nullptr;
    if (is_full && find_record(id) == nullptr) break;
  }
  return nullptr;
}

void BankTable::apply(uint32_t mode, Bank& bank) noexcept {
  const auto ledger = static_cast<Ledger>(mode & 0xff);
  const BankTerms terms = bank.terms();
  switch (ledger) {
    case Ledger::kNone:
      bank.set_source(Bank::Source::kOwn);
      bank.set_share(-1);
      return;
    case Ledger::kUp:
      if (terms.is_granted()) {
        bank.set_share(-1);
        bank.set_source(Bank::Source::kGranted);
      } else {
        // Nothing until the ledger has said which part is this gateway's.
        bank.set_share(0);
      }
      return;
    case Ledger::kLost: break;
  }
  if (terms.on_loss == config::OnLoss::kDeny) {
    // What is granted dies by itself, and no more comes.
    if (terms.is_granted()) {
      bank.set_source(Bank::Source::kGranted);
    } else {
      bank.set_share(0);
    }
    return;
  }
  const int64_t gateways = std::max(1u, mode >> 8);
  bank.set_share(terms.on_loss == config::OnLoss::kShare ? terms.most / gateways : -1);
  if (terms.is_granted()) bank.set_source(Bank::Source::kOwed);
}

void BankTable::set_ledger(Ledger ledger, uint32_t gateways) noexcept {
  const uint32_t mode = static_cast<uint32_t>(ledger) | gateways << 8;
  mode_.store(mode);
  visit_all([mode](Bank& bank) { apply(mode, bank); });
}

void BankTable::close(Bank& bank) noexcept { bank.users_.fetch_sub(1); }

Bank* BankTable::find(const BankKey& key) noexcept { return find_record(id_of(key)); }

void BankTable::mark(const Bank& bank) noexcept {
  const auto index = static_cast<size_t>(&bank - records_);
  const uint64_t bit = uint64_t{1} << index % 64;
  std::atomic<uint64_t>& word = marks_[index / 64];
  if ((word.load(std::memory_order_relaxed) & bit) == 0) word.fetch_or(bit);
}

void BankTable::sweep(uint32_t count, LimitTime now) noexcept {
  const size_t records = sets_ * kWays;
  for (uint32_t i = 0; i < count; ++i, swept_ = (swept_ + 1) % records) {
    Bank& bank = records_[swept_];
    const uint64_t id = bank.id_.load(std::memory_order_relaxed);
    if (id == 0 || (id & kProvisional) != 0 || bank.users_.load() != 0) continue;
    if (bank.used(now) != 0 || bank.credit(now) != 0) continue;
    int32_t unused = 0;
    if (!bank.users_.compare_exchange_strong(unused, -1)) continue;
    // Nobody can join now; whoever left a moment ago may have counted something.
    if (bank.used(now) == 0) {
      bank.reset();
      bank.id_.store(0);
      in_use_.fetch_sub(1);
    }
    // Not a store: a claim may have counted itself in already.
    bank.users_.fetch_add(1);
  }
}

}  // namespace sluice::limit
