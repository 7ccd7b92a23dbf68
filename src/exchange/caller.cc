#include <sluice/exchange/caller.h>

#include <algorithm>

#include <sluice/config/address_match.h>
#include <sluice/exchange/generation.h>

namespace sluice::exchange {
namespace {

// Ids of configured tenants end far below.
constexpr uint32_t kOtherTenants = 1u << 31;

Unexpected refuse(ErrorCode code, std::string_view why) noexcept {
  return fail(code, Side::kDownstream, why);
}

}  // namespace

Caller::Caller(const auth::FoundKey& found, const crypto::Digest& digest, Generation& generation,
               metrics::KeyAnswer from)
    : generation_(generation),
      digest_(digest),
      from_(from),
      id_(found.id),
      name_(found.name),
      metadata_(found.terms->metadata),
      kind_(found.terms->kind),
      is_blocked_(found.is_blocked),
      not_before_(found.not_before.value_or(WallTime{INT64_MIN})),
      expires_(found.expires.value_or(WallTime{INT64_MAX})),
      weight_(found.terms->weight),
      priority_max_(found.terms->priority_max),
      allowed_addresses_(found.terms->allowed_addresses),
      denied_addresses_(found.terms->denied_addresses),
      generation_number_(generation.config.generation) {
  if (!found.terms->models.empty()) globs_.push_back(found.terms->models);
  for (const auth::Owner* owner : found.owners) {
    if (owner == nullptr) continue;
    is_blocked_ = is_blocked_ || owner->is_blocked;
    if (owner->expires) expires_ = std::min(expires_, *owner->expires);
    if (!owner->models.empty()) globs_.push_back(owner->models);
    switch (owner->level) {
      case auth::OwnerLevel::kOrganisation: organisation_ = owner->id; break;
      case auth::OwnerLevel::kTeam: team_ = owner->id; break;
      case auth::OwnerLevel::kUser: user_ = owner->id; break;
    }
  }
  find_tenant(found);
  add_limits(found);
}

void Caller::find_tenant(const auth::FoundKey& found) {
  // The team, else the organisation, else the user.
  for (const size_t i : {size_t{1}, size_t{2}, size_t{0}}) {
    const auth::Owner* owner = found.owners[i];
    if (owner == nullptr) continue;
    if (tenant_name_.empty()) tenant_name_ = owner->id;
    if (!tenant_.is_valid()) tenant_ = generation_.find_tenant(owner->id);
    if (!tenant_.is_valid()) tenant_ = generation_.find_tenant(owner->name);
  }
  if (tenant_name_.empty()) {
    tenant_ = TenantId{0};
    tenant_name_ = generation_.config.tenants.front().name;
  }
  const auto hash = static_cast<uint32_t>(limit::hash_name(tenant_name_));
  share_ = tenant_.is_valid() ? tenant_ : TenantId{(hash | kOtherTenants) & ~1u};
}

void Caller::add_limits(const auth::FoundKey& found) {
  const config::Snapshot& config = generation_.config;
  for (const config::LimitRule& rule : found.terms->limits) limits_.add(rule, id_);
  for (const LimitId id : config.every_key_limits) limits_.add(config.limit_rules[id.value], id_);
  for (const auth::Owner* owner : found.owners) {
    if (owner == nullptr) continue;
    for (const config::LimitRule& rule : owner->limits) limits_.add(rule, owner->id);
  }
  if (!tenant_.is_valid()) {
    for (const LimitId id : config.every_tenant_limits) {
      limits_.add(config.limit_rules[id.value], tenant_name_);
    }
  }
  if (found.terms->model_limits.empty() && config.every_key_model_limits.empty()) return;
  for (uint32_t i = 0; i < config.models.size(); ++i) {
    const std::string& model = config.models[i].name;
    for (const auth::ModelRule& rule : found.terms->model_limits) {
      if (!generation_.has_name_like(ModelId{i}, rule.models)) continue;
      limits_.add_of_model(rule.rule, id_, ModelId{i}, model);
    }
    for (const config::ModelLimit& limit : config.every_key_model_limits) {
      if (limit.model.is_valid() && limit.model != ModelId{i}) continue;
      limits_.add_of_model(config.limit_rules[limit.limit.value], id_, ModelId{i}, model);
    }
  }
}

Result<void> Caller::check(WallTime now, const std::optional<Ipv6Bytes>& address) const noexcept {
  if (is_blocked_) return refuse(ErrorCode::kKeyBlocked, "key or owner blocked");
  if (now < not_before_) return refuse(ErrorCode::kKeyNotYetValid, "key not valid yet");
  if (now >= expires_) return refuse(ErrorCode::kKeyExpired, "key or owner expired");
  if (kind_ != auth::KeyKind::kInference) {
    return refuse(ErrorCode::kWrongKeyType, "not an inference key");
  }
  const bool is_denied =
      address ? config::contains(denied_addresses_, *address) : !denied_addresses_.empty();
  const bool is_allowed =
      allowed_addresses_.empty() || (address && config::contains(allowed_addresses_, *address));
  if (is_denied || !is_allowed) {
    return refuse(ErrorCode::kAddressNotAllowed, "address not allowed");
  }
  return {};
}

bool Caller::matches_all(std::string_view model_name) const noexcept {
  return std::ranges::all_of(globs_, [&](const std::vector<std::string>& list) {
    return std::ranges::any_of(
        list, [&](const std::string& glob) { return auth::matches_glob(glob, model_name); });
  });
}

bool Caller::allows(ModelId model, std::string_view asked) noexcept {
  if (globs_.empty()) return true;
  const std::string& name = generation_.config.model(model).name;
  // What a `*` stands for is the client's word, so it is matched each time.
  if (!asked.empty() && name.find('*') != std::string::npos) return matches_all(asked);
  const auto known = allowed_.find(model.value);
  if (known != allowed_.end()) return known->second;
  const bool is_allowed = std::ranges::all_of(globs_, [&](const std::vector<std::string>& list) {
    return std::ranges::any_of(
        list, [&](const std::string& glob) { return generation_.has_name_like(model, glob); });
  });
  allowed_.emplace(model.value, is_allowed);
  return is_allowed;
}

Caller* CallerRoom::find(const crypto::Digest& digest, const Generation& generation,
                         uint64_t directory_version, MonoTime now) noexcept {
  const auto found = callers_.find(digest);
  if (found == callers_.end()) return nullptr;
  Caller& caller = *found->second;
  if (caller.generation_number_ != generation.config.generation ||
      caller.directory_version_ != directory_version || now >= caller.holds_until_) {
    return nullptr;
  }
  caller.unlink();
  by_use_.push_back(caller);
  return &caller;
}

Caller& CallerRoom::add(std::unique_ptr<Caller> caller, uint64_t directory_version,
                        MonoTime holds_until) {
  if (const auto found = callers_.find(caller->digest_); found != callers_.end()) {
    remove(*found->second);
  }
  if (callers_.size() >= kCallersMost) remove(by_use_.front());
  caller->directory_version_ = directory_version;
  caller->holds_until_ = holds_until;
  Caller& added = *caller.release();
  callers_.emplace(added.digest_, &added);
  by_use_.push_back(added);
  return added;
}

void CallerRoom::remove(Caller& caller) noexcept {
  callers_.erase(caller.digest_);
  caller.unlink();
  caller.is_current_ = false;
  if (caller.pins_ == 0) delete &caller;
}

void CallerRoom::clear() noexcept {
  while (!by_use_.empty()) remove(by_use_.front());
}

}  // namespace sluice::exchange
