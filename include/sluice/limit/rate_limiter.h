// Decides, without leaving the shard, whether a request may go, and remembers what it is charged.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include <sluice/base/intrusive_list.h>
#include <sluice/limit/bank_table.h>
#include <sluice/limit/subjects.h>

namespace sluice::limit {

// Whose request it is, by the ids of the SubjectTable's snapshot. A key may be invalid (anonymous,
// or not of the configuration), and so may a tenant.
struct Party {
  KeyId key;
  TenantId tenant;
  ModelId model;
  OwnSubjects* own = nullptr;  // Outlives the reservation. Null for keys of the configuration.
};

// What a request may come to use; what of its answer is set aside by each config::Reserve.
struct Demand {
  int64_t input_tokens = 0;
  std::array<int64_t, 3> output_tokens{};
  std::array<int64_t, 3> micro_dollars{};

  // At least 1: whoever asks for nothing must find room all the same.
  [[nodiscard]] int64_t of(const config::LimitRule& rule) const noexcept;
};

// What it has used by now. Unknown is zero.
struct Use {
  int64_t input_tokens = 0;
  int64_t output_tokens = 0;
  int64_t micro_dollars = 0;

  [[nodiscard]] int64_t of(const config::LimitRule& rule) const noexcept;
};

// A shard's part of one bank, which it spends without asking anybody. Shard-local.
class Lease : public ListLink {
 public:
  BankKey key;  // Of rule 0 while it is free.
  Bank* bank = nullptr;
  Taking held;
  int64_t size = 1;  // Taken at a time.
  LimitTime refilled_at;
  uint32_t charges = 0;  // That name it.
  uint32_t seen_in = 0;  // The last sweep that looked at it.
  bool is_used = false;  // Since then.
};

// One limit as a client may see it.
struct LimitView {
  int64_t most = 0;
  int64_t remaining = 0;
  microseconds reset{};  // Until nothing counts as used.
};

class RateLimiter;

// What one request is charged. Dropped without being settled, all of it is given back. Move-only.
class Reservation {
 public:
  Reservation() noexcept = default;
  Reservation(Reservation&& other) noexcept
      : limiter_(other.limiter_), charges_(std::exchange(other.charges_, nullptr)) {}
  Reservation& operator=(Reservation&& other) noexcept {
    std::swap(limiter_, other.limiter_);
    std::swap(charges_, other.charges_);
    return *this;
  }
  ~Reservation();

  [[nodiscard]] bool is_empty() const noexcept { return charges_ == nullptr; }
  // RateLimiter::settle(), unless it is empty.
  void settle(const Use& use, MonoTime now) noexcept;

 private:
  friend class RateLimiter;
  struct Charge {
    Lease* lease = nullptr;
    const config::LimitRule* rule = nullptr;
    Taking taking;
    int64_t beyond = 0;  // Counted in addition to `taking`, and used.
  };
  // Some of a request's charges. Most have few, and an open stream holds them to its end.
  struct Charges {
    uint32_t count = 0;
    Charges* next = nullptr;  // Those behind them; of the free ones, another.
    std::array<Charge, 4> list;
  };

  RateLimiter* limiter_ = nullptr;
  Charges* charges_ = nullptr;
};

struct Decision {
  enum class Verdict : uint8_t {
    kGranted,
    kRefused,
    kAskLedger,  // Nothing is charged; ask again when the ledger has answered.
    kNoRoom,     // limits.subjects_max subjects are counted already, or too many rules match.
  };
  Verdict verdict = Verdict::kGranted;
  const config::LimitRule* rule = nullptr;  // That refused.
  microseconds retry_after{};
  bool is_too_large = false;  // It asks for more than the whole limit.
  LimitView view;             // Of `rule`.
  // A rule without force that would have refused, and whether for the first time in its window.
  const config::LimitRule* dry = nullptr;
  bool is_first_dry = false;
};

// Each shard spends from leases, parts of what the banks hold: what is not leased cannot be spent,
// so no limit is exceeded, and a request costs a few comparisons. Banks are asked before anybody is
// refused. A denied request is charged nothing.
//
// Never suspends. Owned by one shard and used only there; the table outlives it.
class RateLimiter {
 public:
  // Leases that sweep() looks at in one call.
  static constexpr uint32_t kSweepMost = 1024;
  // What stays unused for so long goes back; call sweep() as often while has_leases().
  static constexpr Duration kSweepPeriod = milliseconds(50);

  RateLimiter(BankTable& banks, ShardId shard, uint32_t shards) noexcept
      : banks_(banks), shard_(shard), shards_(shards) {}
  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;
  ~RateLimiter();

  // Charges each rule that matches once, or none. `reservation` must be empty.
  [[nodiscard]] Decision admit(SubjectTable& subjects, const Party& party, const Demand& demand,
                               MonoTime now, Reservation& reservation) noexcept;
  // The same for requests that are not known yet, by address: of `config.ip_limits`.
  [[nodiscard]] Decision admit_address(const config::Snapshot& config, const AddressBytes& address,
                                       MonoTime now, Reservation& reservation) noexcept;
  // The same for an attempt at a deployment.
  [[nodiscard]] Decision admit_upstream(SubjectTable& subjects, UpstreamId upstream,
                                        const Demand& demand, MonoTime now,
                                        Reservation& reservation) noexcept;

  // While it runs: counts what is used beyond what was set aside. True when the stream must end.
  [[nodiscard]] bool advance(Reservation& reservation, const Use& use, MonoTime now) noexcept;
  // Replaces what was set aside by what was used. Empties the reservation.
  void settle(Reservation& reservation, const Use& use, MonoTime now) noexcept;
  // Gives everything back, for a request that reached nobody. Empties the reservation.
  void cancel(Reservation& reservation) noexcept;

  // The rule of requests, and that of tokens, which has the least left in proportion.
  struct Views {
    std::optional<LimitView> requests;
    std::optional<LimitView> tokens;
  };
  [[nodiscard]] Views views(const Reservation& reservation, MonoTime now) noexcept;

  [[nodiscard]] bool has_leases() const noexcept { return !listed_.empty(); }
  void sweep(MonoTime now) noexcept;

 private:
  // Two refills within so long make the next one larger.
  static constexpr microseconds kSoon = milliseconds(20);
  static constexpr int64_t kSizeMost = 64;  // Times the amount of one request.

  class Charging;

  [[nodiscard]] Lease* find_lease(Subject& subject, const BankTerms& terms) noexcept;
  [[nodiscard]] Lease* open_lease(const BankKey& key, const BankTerms& terms) noexcept;
  void free_lease(Lease& lease) noexcept;
  [[nodiscard]] bool spend(Lease& lease, int64_t amount, LimitTime now, Taking& taking) noexcept;
  [[nodiscard]] bool refill(Lease& lease, int64_t amount, LimitTime now, Taking& taking) noexcept;
  [[nodiscard]] int64_t next_size(Lease& lease, int64_t amount, LimitTime now) const noexcept;
  void give_back(Lease& lease, const Taking& taking, LimitTime now) noexcept;
  // Counts `amount` that is used already; false when there was no room for it.
  bool count(Lease& lease, int64_t amount, LimitTime now) noexcept;
  [[nodiscard]] Reservation::Charges* take_charges() noexcept;
  template <typename Act>
  static void for_each_charge(const Reservation& reservation, Act act) noexcept;
  void release(Reservation& reservation) noexcept;

  BankTable& banks_;
  ShardId shard_;
  uint32_t shards_;
  LimitTime last_now_;
  absl::flat_hash_map<std::pair<uint64_t, uint64_t>, Lease*> leases_;
  std::deque<Lease> storage_;  // Never shrinks, so that a stale Subject::lease can be looked at.
  std::vector<Lease*> free_leases_;
  IntrusiveList<Lease> listed_;  // Those that sweep() is to look at.
  std::deque<Reservation::Charges> charge_storage_;
  Reservation::Charges* free_charges_ = nullptr;
  uint32_t sweeps_ = 0;
};

inline void Reservation::settle(const Use& use, MonoTime now) noexcept {
  if (charges_ != nullptr) limiter_->settle(*this, use, now);
}

inline Reservation::~Reservation() {
  if (charges_ != nullptr) limiter_->cancel(*this);
}

}  // namespace sluice::limit
