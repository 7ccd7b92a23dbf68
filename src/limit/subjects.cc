#include <sluice/limit/subjects.h>

#include <utility>

namespace sluice::limit {
namespace {

// FNV-1a (Fowler, Noll, Vo), then the finaliser of MurmurHash3, because FNV's high bits are weak.
constexpr uint64_t kBasis = 0xcbf2'9ce4'8422'2325;
constexpr uint64_t kPrime = 0x0000'0100'0000'01b3;

constexpr uint64_t finish(uint64_t x) noexcept {
  x = (x ^ x >> 33) * 0xff51'afd7'ed55'8ccd;
  x = (x ^ x >> 33) * 0xc4ce'b9fe'1a85'ec53;
  return x ^ x >> 33;
}

// Two names in one, in order.
constexpr uint64_t join(uint64_t first, uint64_t second) noexcept {
  return finish(first * kPrime ^ second);
}

// A rule that counts otherwise than before begins anew, whatever its name.
uint64_t hash_rule(const config::LimitRule& rule) noexcept {
  const BankTerms terms = terms_of(rule);
  const uint64_t kind = static_cast<uint64_t>(terms.kind) << 16 |
                        static_cast<uint64_t>(rule.measure) << 8 |
                        static_cast<uint64_t>(rule.window);
  const uint64_t hash =
      join(hash_name(rule.name), kind << 40 ^ static_cast<uint64_t>(terms.length.count()));
  return hash == 0 ? 1 : hash;
}

uint64_t read_half(const AddressBytes& address, size_t begin) noexcept {
  uint64_t half = 0;
  for (size_t i = begin; i < begin + 8; ++i) half = half << 8 | address[i];
  return half;
}

}  // namespace

uint64_t hash_name(std::string_view name) noexcept {
  uint64_t hash = kBasis;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * kPrime;
  return finish(hash);
}

BankKey key_of(const config::LimitRule& rule, std::string_view subject) noexcept {
  return {hash_rule(rule), hash_name(subject)};
}

BankKey key_of(const config::LimitRule& rule, const AddressBytes& address) noexcept {
  const uint64_t high = read_half(address, 0);
  const uint64_t low = read_half(address, 8);
  const bool is_ipv4 = high == 0 && low >> 32 == 0xffff;
  return {hash_rule(rule), is_ipv4 ? low : high};
}

void OwnSubjects::add(config::LimitRule rule, std::string_view subject) {
  const BankTerms terms = terms_of(rule);
  const BankKey key = key_of(rule, subject);
  items_.push_back({.rule = std::move(rule), .terms = terms, .subject = {.rule = {}, .key = key}});
}

void OwnSubjects::add_of_model(config::LimitRule rule, std::string_view key, ModelId model,
                               std::string_view model_name) {
  const BankTerms terms = terms_of(rule);
  const BankKey name{hash_rule(rule), join(hash_name(key), hash_name(model_name))};
  model_items_.push_back({{.rule = std::move(rule), .terms = terms, .subject = {{}, name}}, model});
}

SubjectTable::SubjectTable(const config::Snapshot& config) : config_(config) {
  for (const config::LimitRule& rule : config.limit_rules) {
    terms_.push_back(terms_of(rule));
    rule_hashes_.push_back(hash_rule(rule));
  }
  if (config.limit_rules.empty()) return;
  gateway_ = add(config.gateway_limits, hash_name(""));
  const auto add_all = [this](const auto& owners, std::vector<Part>& parts) {
    parts.reserve(owners.size());
    for (const auto& owner : owners) parts.push_back(add(owner.limits, hash_name(owner.name)));
  };
  add_all(config.keys, keys_);
  add_all(config.tenants, tenants_);
  add_all(config.models, models_);
  add_all(config.upstreams, upstreams_);
  for (const config::Key& key : config.keys) has_key_models_ |= !key.model_limits.empty();
  if (!has_key_models_) return;
  for (const config::Key& key : config.keys) key_hashes_.push_back(hash_name(key.name));
  for (const config::Model& model : config.models) model_hashes_.push_back(hash_name(model.name));
}

Subject SubjectTable::of_key_model(LimitId rule, KeyId key, ModelId model) const noexcept {
  return {
      .rule = rule,
      .key = {rule_hashes_[rule.value], join(key_hashes_[key.value], model_hashes_[model.value])}};
}

SubjectTable::Part SubjectTable::add(const std::vector<LimitId>& rules, uint64_t subject) {
  const Part part{static_cast<uint32_t>(subjects_.size()), static_cast<uint32_t>(rules.size())};
  for (const LimitId rule : rules) {
    subjects_.push_back({.rule = rule, .key = {rule_hashes_[rule.value], subject}});
  }
  return part;
}

}  // namespace sluice::limit
