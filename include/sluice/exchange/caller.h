// Who calls with a key that is not the configuration's, as one shard knows it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include <sluice/auth/directory.h>
#include <sluice/base/intrusive_list.h>
#include <sluice/base/ip_class.h>
#include <sluice/base/result.h>
#include <sluice/limit/subjects.h>
#include <sluice/metrics/labels.h>

namespace sluice::exchange {

struct Generation;

// Made when a key is first used under one configuration and one state of its source, and then kept
// for all its requests: its limits' counts are found once, its models are matched once. Exchanges
// hold it with a CallerPin, because what they were charged refers to it. One shard's.
class Caller : public ListLink {
 public:
  Caller(const auth::FoundKey& found, const crypto::Digest& digest, Generation& generation,
         metrics::KeyAnswer from);
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  // Whether it may call models now, from there: a key's type, its state and its owners', addresses.
  // An unknown address is outside of every list.
  [[nodiscard]] Result<void> check(WallTime now,
                                   const std::optional<Ipv6Bytes>& address) const noexcept;
  // `asked` is the client's name for the model, "" when it is asked for by id alone.
  [[nodiscard]] bool allows(ModelId model, std::string_view asked) noexcept;

  [[nodiscard]] std::string_view id() const noexcept { return id_; }
  [[nodiscard]] std::string_view name() const noexcept { return name_; }
  // The nearest of team, organisation and user, by id; else "default".
  [[nodiscard]] std::string_view tenant_name() const noexcept { return tenant_name_; }
  // Ids; "" where there is none.
  [[nodiscard]] std::string_view organisation() const noexcept { return organisation_; }
  [[nodiscard]] std::string_view team() const noexcept { return team_; }
  [[nodiscard]] std::string_view user() const noexcept { return user_; }
  [[nodiscard]] std::string_view metadata() const noexcept { return metadata_; }
  // Of the configuration, with the same name or id as one of the owners; invalid without.
  [[nodiscard]] TenantId tenant() const noexcept { return tenant_; }
  // Whose share of places it takes.
  [[nodiscard]] TenantId share() const noexcept { return share_; }
  [[nodiscard]] uint32_t weight() const noexcept { return weight_; }
  [[nodiscard]] uint32_t priority_max() const noexcept { return priority_max_; }
  [[nodiscard]] limit::OwnSubjects& limits() noexcept { return limits_; }
  // Where the key was decided when this was made.
  [[nodiscard]] metrics::KeyAnswer from() const noexcept { return from_; }

 private:
  friend class CallerRoom;
  friend class CallerPin;

  void add_limits(const auth::FoundKey& found);
  void find_tenant(const auth::FoundKey& found);
  [[nodiscard]] bool matches_all(std::string_view model_name) const noexcept;

  Generation& generation_;  // Lives as long as whoever uses this pins it; else not looked at.
  crypto::Digest digest_;
  metrics::KeyAnswer from_;
  std::string id_;
  std::string name_;
  std::string organisation_;
  std::string team_;
  std::string user_;
  std::string tenant_name_;
  std::string metadata_;
  auth::KeyKind kind_;
  bool is_blocked_ = false;
  WallTime not_before_;
  WallTime expires_;
  TenantId tenant_;
  TenantId share_;
  uint32_t weight_ = 1;
  uint32_t priority_max_ = 0;
  // One list for the key and for each owner that has one: a model must match each of them.
  std::vector<std::vector<std::string>> globs_;
  absl::flat_hash_map<uint32_t, bool> allowed_;  // By ModelId, as far as it was asked.
  std::vector<config::AddressRange> allowed_addresses_;
  std::vector<config::AddressRange> denied_addresses_;
  limit::OwnSubjects limits_;
  // For the room.
  uint64_t generation_number_;
  uint64_t directory_version_ = 0;
  MonoTime holds_until_ = MonoTime::max();
  uint32_t pins_ = 0;
  bool is_current_ = true;  // In the room; else it dies with its last pin.
};

// An exchange's hold on its caller; empty for a key of the configuration.
class CallerPin {
 public:
  CallerPin() noexcept = default;
  explicit CallerPin(Caller* caller) noexcept : caller_(caller) {
    if (caller_ != nullptr) ++caller_->pins_;
  }
  CallerPin(CallerPin&& other) noexcept : caller_(std::exchange(other.caller_, nullptr)) {}
  CallerPin& operator=(CallerPin&& other) noexcept {
    std::swap(caller_, other.caller_);
    return *this;
  }
  ~CallerPin() {
    if (caller_ == nullptr || --caller_->pins_ > 0 || caller_->is_current_) return;
    delete caller_;
  }
  [[nodiscard]] Caller* get() const noexcept { return caller_; }
  [[nodiscard]] Caller* operator->() const noexcept { return caller_; }
  [[nodiscard]] explicit operator bool() const noexcept { return caller_ != nullptr; }

 private:
  Caller* caller_ = nullptr;
};

// The callers of the present generation. Owned by the worker.
class CallerRoom {
 public:
  static constexpr size_t kCallersMost = 65'536;

  CallerRoom() noexcept = default;
  CallerRoom(const CallerRoom&) = delete;
  CallerRoom& operator=(const CallerRoom&) = delete;
  ~CallerRoom() { clear(); }

  // Null when it is not there or what it was made of may have changed.
  [[nodiscard]] Caller* find(const crypto::Digest& digest, const Generation& generation,
                             uint64_t directory_version, MonoTime now) noexcept;
  // In place of an earlier one. The longest unused one goes when the room is full.
  Caller& add(std::unique_ptr<Caller> caller, uint64_t directory_version, MonoTime holds_until);
  // With a new generation.
  void clear() noexcept;
  [[nodiscard]] size_t size() const noexcept { return callers_.size(); }

 private:
  void remove(Caller& caller) noexcept;

  absl::flat_hash_map<crypto::Digest, Caller*> callers_;
  IntrusiveList<Caller> by_use_;  // The longest unused first.
};

}  // namespace sluice::exchange
