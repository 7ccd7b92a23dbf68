// Keys and owners as the members of bodies and answers.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/auth/key_store.h>
#include <sluice/json/writer.h>

#include "route.h"

namespace sluice::admin {

// What a key, or an owner of that level, can be given.
[[nodiscard]] std::span<const Field> key_input_fields();
[[nodiscard]] std::span<const Field> owner_input_fields(auth::OwnerLevel level);
// As they are shown.
[[nodiscard]] std::span<const Field> key_fields();
[[nodiscard]] std::span<const Field> owner_fields();

// Takes the members of `body` that are there, null for none, and checks what came out of it.
// `place` is the front of the param: "keys[3]." of one among many.
[[nodiscard]] std::optional<Refusal> read_key(const json::Value& body, auth::KeyRecord& key,
                                              const std::string& place = {});
[[nodiscard]] std::optional<Refusal> read_owner(const json::Value& body, auth::Owner& owner);

// Whether keys are in force, with all that is above them. Asks the store for each owner once; good
// for one answer.
class KeyStates {
 public:
  KeyStates(auth::KeyStore& store, WallTime now) noexcept : store_(store), now_(now) {}
  // "active", "blocked", "expired", "not_yet", "owner_blocked" or "owner_expired": the first that
  // holds.
  [[nodiscard]] std::string_view state_of(const auth::KeyRecord& key);
  [[nodiscard]] WallTime now() const noexcept { return now_; }

 private:
  struct OwnerState {
    bool is_blocked = false;
    bool is_expired = false;
  };
  [[nodiscard]] OwnerState owner_state(const std::string& id);

  auth::KeyStore& store_;
  WallTime now_;
  std::map<std::string, OwnerState> owners_;
};

void write_key(json::Writer& writer, const auth::KeyRecord& key, KeyStates& states);
void write_owner(json::Writer& writer, const auth::Owner& owner);

// `text`, and null for "".
void write_text_or_null(json::Writer& writer, std::string_view text);
void write_time_or_null(json::Writer& writer, std::optional<WallTime> time);

}  // namespace sluice::admin
