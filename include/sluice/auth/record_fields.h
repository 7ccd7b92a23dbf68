// A key as text fields: a JSON object, a Redis hash, a row of a table, the claims of a token.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include <sluice/auth/key_record.h>
#include <sluice/json/value.h>

namespace sluice::auth {

// Reads one field after another into a record; docs/keys.md has the list of names, those of earlier
// gateways among them (`status`, `total_quota`, `used_quota`, `allowed_ips`, `expires_at`, ...).
// A field that is not known is passed over; one that is known and makes no sense is an error, so
// that a key is refused rather than let through with less than it should have.
class RecordFields {
 public:
  // `source` names the limits' owner and the front of the id.
  RecordFields(std::string_view source, const crypto::Digest& digest);

  // Text as a hash or a table has it: numbers, dates (RFC 3339 or Unix seconds), lists as JSON or
  // with commas, limits as a JSON object. The error is a sentence that names the field and not its
  // value.
  [[nodiscard]] std::expected<void, std::string> set(std::string_view field, std::string_view text);
  [[nodiscard]] std::expected<void, std::string> set(std::string_view field,
                                                     const json::Value& value);
  // All members of an object.
  [[nodiscard]] std::expected<void, std::string> set_all(const json::Value& object);

  // Whether a field was read that says more than a name, so that this is about a key at all.
  [[nodiscard]] bool has_any() const noexcept { return has_any_; }

  // What was read; status, quota and balance have become `is_blocked` and dates.
  [[nodiscard]] std::expected<KeyRecord, std::string> finish();

 private:
  struct Rules;  // How each field is read.

  KeyRecord record_;
  std::string source_;
  bool has_any_ = false;
  std::string own_id_;       // "" until the source has said one.
  bool is_refused_ = false;  // By its status or balance.
  std::optional<double> quota_;
  std::optional<double> used_;
  std::string quota_period_;  // When what was used is forgotten: "day", "week", "month"; "" never.
  std::optional<WallTime> quota_reset_;  // When that was done last.
};

}  // namespace sluice::auth
