// Keys and who owns them, as the store and the other sources know them.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/config/limiting.h>
#include <sluice/crypto/digest.h>

namespace sluice::auth {

enum class KeyKind : uint8_t {
  kInference,   // Calls models; no admin call.
  kManagement,  // Admin calls of its organisation or team, of all when it has none; no model.
  kReadOnly,    // The same, but only those that change nothing.
};
inline constexpr std::array<std::string_view, 3> kKeyKindNames = {"inference", "management",
                                                                  "read_only"};

enum class OwnerLevel : uint8_t { kOrganisation, kTeam, kUser };
inline constexpr std::array<std::string_view, 3> kOwnerLevelNames = {"organisation", "team",
                                                                     "user"};

// Bounds of what one key or owner may carry.
inline constexpr size_t kNameBytesMax = 64;
inline constexpr size_t kIdBytesMax = 40;
inline constexpr size_t kGlobsMax = 1'000;
inline constexpr size_t kGlobBytesMax = 256;
inline constexpr size_t kRangesMax = 256;
inline constexpr size_t kTagsMax = 32;
inline constexpr size_t kMetadataBytesMax = 16 * 1024;
inline constexpr size_t kRecordLimitsMax = 6;  // Rules of one key, or of one owner.
inline constexpr size_t kModelRulesMax = 64;   // Of one key, for single models.
inline constexpr size_t kPrefixBytesMax = 16;
inline constexpr uint32_t kWeightMax = 1'000;
inline constexpr uint32_t kPriorityMax = 255;

// A limit of one key on the models that a glob names, each counted on its own.
struct ModelRule {
  std::string models;
  config::LimitRule rule;
  bool operator==(const ModelRule&) const = default;
};

// What an owner says binds every key below it.
struct Owner {
  OwnerLevel level = OwnerLevel::kTeam;
  std::string id;            // "org_", "team_" or "user_" and 24 hexadecimal digits, unless given.
  std::string name;          // For people. 1-64 of A-Z a-z 0-9 . _ - and space; not unique.
  std::string organisation;  // Of a team or user: the id of what it belongs to; "" is none.
  std::string team;          // Of a user; "" is none.
  bool is_blocked = false;
  std::optional<WallTime> expires;
  std::vector<std::string> models;  // Globs, `*` for any characters; empty is all.
  std::vector<config::LimitRule> limits;
  std::string metadata;  // A JSON object, or "".
  WallTime created;
  WallTime updated;
  bool operator==(const Owner&) const = default;
};

struct KeyRecord {
  std::string id;      // "key_" and 24 hexadecimal digits. What limits, spend and logs call it by.
  std::string name;    // For people, as an owner's; may be "".
  std::string prefix;  // The first characters of the secret: for people to know it by.
  crypto::Digest digest{};  // SHA-256 of the secret, which itself is not kept.
  // The secret before the last rotation, good until then.
  std::optional<crypto::Digest> former_digest;
  std::optional<WallTime> former_until;
  KeyKind kind = KeyKind::kInference;
  std::string organisation;  // Ids; "" is none.
  std::string team;
  std::string user;
  bool is_blocked = false;
  std::optional<WallTime> not_before;
  std::optional<WallTime> expires;
  std::vector<std::string> models;  // As an owner's.
  std::vector<config::LimitRule> limits;
  std::vector<ModelRule> model_limits;
  std::vector<config::AddressRange> allowed_addresses;  // Empty is all.
  std::vector<config::AddressRange> denied_addresses;   // Go before those allowed.
  uint32_t weight = 1;
  uint32_t priority_max = 0;
  std::vector<std::string> tags;  // For people and lists.
  std::string metadata;           // A JSON object, or "".
  WallTime created;
  WallTime updated;
  bool operator==(const KeyRecord&) const = default;
};

// What of a record or an owner makes no sense.
struct FieldFault {
  std::string field;  // "models", "metadata", ...
  std::string text;   // A sentence that begins with the field and says what is right instead.
  bool operator==(const FieldFault&) const = default;
};

// Whether all that stands in it is within the bounds above and makes sense by itself: a name may be
// written, dates are dates, metadata is a JSON object. Ids, digests and owners may be missing.
[[nodiscard]] std::expected<void, FieldFault> check_record(const KeyRecord& record);
[[nodiscard]] std::expected<void, FieldFault> check_owner(const Owner& owner);

// `text` against `glob`, in which each `*` stands for any characters, also none.
[[nodiscard]] bool matches_glob(std::string_view glob, std::string_view text) noexcept;

}  // namespace sluice::auth
