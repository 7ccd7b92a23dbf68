// Which counts a request goes into, by the ids of one snapshot.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <sluice/base/ids.h>
#include <sluice/config/snapshot.h>
#include <sluice/limit/bank.h>

namespace sluice::limit {

class Lease;

// One rule as it holds for one subject.
struct Subject {
  LimitId rule;
  BankKey key;
  // The shard's lease, found when first used; see RateLimiter.
  Lease* lease = nullptr;
};

// The same in every gateway and every build.
[[nodiscard]] uint64_t hash_name(std::string_view name) noexcept;
// What the counts of `rule` are found by for the subject of that name; "" for the gateway.
[[nodiscard]] BankKey key_of(const config::LimitRule& rule, std::string_view subject) noexcept;

// The address as 16 bytes, IPv4 as ::ffff:a.b.c.d. Of IPv6 the first 64 bits count, because that
// much belongs to one site (RFC 6177).
using AddressBytes = std::array<uint8_t, 16>;
[[nodiscard]] BankKey key_of(const config::LimitRule& rule, const AddressBytes& address) noexcept;

// Rules that stand in no snapshot, because the key that they are of does not: its own, those of its
// owners, and those that a snapshot has for everybody. Owns them; what was charged by them refers
// here. One shard's.
class OwnSubjects {
 public:
  struct Item {
    config::LimitRule rule;
    BankTerms terms;
    Subject subject;
  };

  // Of the subject of that name: a key's id, an owner's.
  void add(config::LimitRule rule, std::string_view subject);
  // Of a key's use of `model`, counted for each model on its own.
  void add_of_model(config::LimitRule rule, std::string_view key, ModelId model,
                    std::string_view model_name);

  [[nodiscard]] std::span<Item> items() noexcept { return items_; }
  // Those of one model.
  struct ModelItem : Item {
    ModelId model;
  };
  [[nodiscard]] std::span<ModelItem> model_items() noexcept { return model_items_; }
  [[nodiscard]] bool is_empty() const noexcept { return items_.empty() && model_items_.empty(); }

 private:
  std::vector<Item> items_;
  std::vector<ModelItem> model_items_;
};

// Made with a generation, of one shard; the snapshot outlives it.
class SubjectTable {
 public:
  explicit SubjectTable(const config::Snapshot& config);

  [[nodiscard]] std::span<Subject> of_gateway() noexcept { return part(gateway_); }
  [[nodiscard]] std::span<Subject> of_key(KeyId key) noexcept { return part(keys_, key.value); }
  // Its own only; the tenants above have theirs.
  [[nodiscard]] std::span<Subject> of_tenant(TenantId tenant) noexcept {
    return part(tenants_, tenant.value);
  }
  [[nodiscard]] std::span<Subject> of_model(ModelId model) noexcept {
    return part(models_, model.value);
  }
  [[nodiscard]] std::span<Subject> of_upstream(UpstreamId upstream) noexcept {
    return part(upstreams_, upstream.value);
  }
  [[nodiscard]] bool has_upstream(UpstreamId upstream) const noexcept {
    return upstream.value < upstreams_.size() && upstreams_[upstream.value].count > 0;
  }
  // True when no rule at all can match: then nothing need be asked.
  [[nodiscard]] bool is_empty() const noexcept { return subjects_.empty() && !has_key_models_; }
  [[nodiscard]] bool has_key_models() const noexcept { return has_key_models_; }

  [[nodiscard]] const config::Snapshot& config() const noexcept { return config_; }
  // Of the rules, by LimitId.
  [[nodiscard]] const BankTerms& terms(LimitId rule) const noexcept { return terms_[rule.value]; }
  // Made anew for each request: there are as many as keys and models together.
  [[nodiscard]] Subject of_key_model(LimitId rule, KeyId key, ModelId model) const noexcept;

 private:
  struct Part {
    uint32_t begin = 0;
    uint32_t count = 0;
  };
  [[nodiscard]] std::span<Subject> part(const Part& part) noexcept {
    return {subjects_.data() + part.begin, part.count};
  }
  [[nodiscard]] std::span<Subject> part(const std::vector<Part>& parts, size_t index) noexcept {
    return index < parts.size() ? part(parts[index]) : std::span<Subject>();
  }
  [[nodiscard]] Part add(const std::vector<LimitId>& rules, uint64_t subject);

  const config::Snapshot& config_;
  std::vector<Subject> subjects_;
  std::vector<BankTerms> terms_;
  std::vector<uint64_t> rule_hashes_;
  std::vector<uint64_t> key_hashes_;    // Empty without limits on a key's use of a model.
  std::vector<uint64_t> model_hashes_;  // The same.
  Part gateway_;
  std::vector<Part> keys_;
  std::vector<Part> tenants_;
  std::vector<Part> models_;
  std::vector<Part> upstreams_;
  bool has_key_models_ = false;
};

}  // namespace sluice::limit
