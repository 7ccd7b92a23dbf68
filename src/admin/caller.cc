#include "caller.h"

#include <fmt/format.h>

#include <sluice/config/address_match.h>
#include <sluice/config/address_text.h>
#include <sluice/crypto/constant_time.h>
#include <sluice/crypto/digest.h>
#include <sluice/crypto/random.h>
#include <sluice/http/headers.h>

#include "route.h"

namespace sluice::admin {
namespace {

constexpr std::string_view kScheme = "bearer ";
constexpr size_t kTokenBytesMost = 512;

Refusal refuse_token() {
  return {.status = 401,
          .code = "invalid_api_key",
          .message = "send `Authorization: Bearer` with a management key that is in force",
          .param = {}};
}

Refusal refuse_key(std::string_view why) {
  return {.status = 403, .code = "forbidden", .message = std::string(why), .param = {}};
}

Caller caller_of_process(const net::PeerCredentials& process) {
  return {.actor = {.name = fmt::format("unix:uid={},pid={}", process.uid, process.pid),
                    .origin = "unix",
                    .organisation = {},
                    .team = {}}};
}

// "" when there is no usable token.
std::string_view token_of(std::string_view authorization) noexcept {
  if (authorization.size() <= kScheme.size()) return {};
  if (!http::equals_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) return {};
  const std::string_view token = authorization.substr(kScheme.size());
  const bool is_one = token.find_first_of(" \t,") == std::string_view::npos;
  return is_one && token.size() <= kTokenBytesMost ? token : std::string_view();
}

bool is_bootstrap(const AdminParts& parts, const crypto::Digest& digest) noexcept {
  const std::string& token = parts.operations.snapshot().admin.bootstrap_token;
  // Of digests, so that not even the length shows (D104).
  return !token.empty() && crypto::equal_constant_time(digest, crypto::sha256(token));
}

bool is_in_force(const auth::FoundKey& key, WallTime now) noexcept {
  if (key.is_blocked || (key.not_before && now < *key.not_before)) return false;
  if (key.expires && *key.expires <= now) return false;
  for (const auth::Owner* owner : key.owners) {
    if (owner == nullptr) continue;
    if (owner->is_blocked || (owner->expires && *owner->expires <= now)) return false;
  }
  return true;
}

bool may_come_from(const auth::KeyTerms& terms, const std::string& address) {
  if (terms.allowed_addresses.empty() && terms.denied_addresses.empty()) return true;
  const auto from = config::read_address_range(address);
  if (!from || config::contains(terms.denied_addresses, from->prefix)) return false;
  return terms.allowed_addresses.empty() || config::contains(terms.allowed_addresses, from->prefix);
}

// What the key belongs to, by its nearest owner that says so.
void set_scope(const auth::FoundKey& key, auth::Actor& actor) {
  for (const auth::Owner* owner : key.owners) {
    if (owner == nullptr) continue;
    const bool is_team = owner->level == auth::OwnerLevel::kTeam;
    const bool is_top = owner->level == auth::OwnerLevel::kOrganisation;
    const std::string& team = is_team ? owner->id : owner->team;
    const std::string& organisation = is_top ? owner->id : owner->organisation;
    if (actor.team.empty()) actor.team = team;
    if (actor.organisation.empty()) actor.organisation = organisation;
  }
}

std::expected<Caller, Refusal> caller_of_key(const auth::FoundKey& key, std::string origin,
                                             WallTime now) {
  // The same words as for a key that does not exist.
  if (!is_in_force(key, now)) return std::unexpected(refuse_token());
  if (key.terms->kind == auth::KeyKind::kInference) {
    return std::unexpected(
        refuse_key("this key is for models; admin calls need one of type management or read_only"));
  }
  if (!may_come_from(*key.terms, origin)) {
    return std::unexpected(refuse_key("this key may not be used from this address"));
  }
  Caller caller{.actor = {.name = std::string(key.id),
                          .origin = std::move(origin),
                          .organisation = {},
                          .team = {}},
                .is_read_only = key.terms->kind == auth::KeyKind::kReadOnly};
  set_scope(key, caller.actor);
  const bool has_owner = key.owners != decltype(key.owners){};
  if (has_owner && !caller.is_scoped()) {
    // Not to be mistaken for a key of the whole gateway.
    return std::unexpected(refuse_key(
        "this key belongs to a user without team and organisation; give it one of those"));
  }
  return caller;
}

}  // namespace

std::expected<Caller, Refusal> identify(const AdminParts& parts,
                                        const control::SmallRequest& request,
                                        FailureCounts& failures) {
  if (request.peer.process) return caller_of_process(*request.peer.process);
  const std::string& address = request.peer.address;
  const MonoTime now = parts.clock.now();
  if (failures.is_spent(address, now)) {
    return std::unexpected(
        Refusal{.status = 429,
                .code = "too_many_failures",
                .message = "too many wrong tokens came from this address; wait a minute",
                .param = {}});
  }
  const std::string_view token = token_of(request.authorization);
  if (token.empty()) return std::unexpected(refuse_token());
  const crypto::Digest digest = crypto::sha256(token);
  if (is_bootstrap(parts, digest)) {
    const std::string name(auth::kBootstrapActor);
    return Caller{.actor = {.name = name, .origin = address, .organisation = {}, .team = {}}};
  }
  std::optional<auth::FoundKey> key;
  if (parts.keys != nullptr) key = parts.keys->present().find(digest);
  if (!key) {
    failures.add(address, now);
    return std::unexpected(refuse_token());
  }
  return caller_of_key(*key, address, parts.clock.wall());
}

FailureCounts::FailureCounts() noexcept {
  crypto::fill_random(std::as_writable_bytes(std::span(&seed_, 1)));
}

bool FailureCounts::is_spent(std::string_view address, MonoTime now) const noexcept {
  const Slot& slot = slots_[index_of(address)];
  return slot.failures >= kFailuresMost && now - slot.begun < kPeriod;
}

void FailureCounts::add(std::string_view address, MonoTime now) noexcept {
  Slot& slot = slots_[index_of(address)];
  if (slot.failures == 0 || now - slot.begun >= kPeriod) slot = {.begun = now, .failures = 0};
  ++slot.failures;
}

// FNV-1a from a start that nobody outside knows, so that none can aim at another's count. A host
// has all IPv6 addresses of its network, so those count together.
size_t FailureCounts::index_of(std::string_view address) const noexcept {
  size_t groups = 0;
  uint64_t hash = seed_;
  for (const char c : address) {
    if (c == ':' && ++groups == 4) break;
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return (hash ^ hash >> 32) % kSlots;
}

}  // namespace sluice::admin
