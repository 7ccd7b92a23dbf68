#include "key_set.h"

#include <algorithm>

#include <sluice/json/value.h>

namespace sluice::auth {
namespace {

using json::Value;

constexpr size_t kKeyIdBytesMax = 256;
constexpr size_t kSameIdMost = 4;  // Keys of one id and algorithm.

std::string_view text_of(const Value& object, std::string_view name) noexcept {
  const Value* member = object.find(name);
  const std::string* text = member == nullptr ? nullptr : member->as_string();
  return text == nullptr ? std::string_view() : *text;
}

bool is_for_signatures(const Value& key) noexcept {
  if (const Value* use = key.find("use"); use != nullptr && text_of(key, "use") != "sig") {
    return false;
  }
  const Value* operations = key.find("key_ops");
  if (operations == nullptr) return true;
  const json::Array* list = operations->as_array();
  return list != nullptr && std::ranges::any_of(*list, [](const Value& operation) {
           const std::string* word = operation.as_string();
           return word != nullptr && *word == "verify";
         });
}

bool is_for(const Value& key, crypto::JwtAlgorithm algorithm) noexcept {
  return key.find("alg") == nullptr || crypto::jwt_algorithm_of(text_of(key, "alg")) == algorithm;
}

}  // namespace

std::expected<KeySet, std::string_view> KeySet::parse(std::string_view text) {
  const auto value = json::parse_value(text, {.bytes_max = kBytesMax});
  if (!value) return std::unexpected("the key set is no valid JSON");
  const Value* keys = value->find("keys");
  const json::Array* list = keys == nullptr ? nullptr : keys->as_array();
  if (list == nullptr) return std::unexpected("the key set has no list `keys`");
  if (list->size() > kKeysMost) return std::unexpected("the key set has more than 64 keys");
  KeySet set;
  for (const Value& key : *list) {
    const std::string_view id = text_of(key, "kid");
    const bool has_id = key.find("kid") != nullptr;
    if (key.as_object() == nullptr || !is_for_signatures(key) || (has_id && id.empty()) ||
        id.size() > kKeyIdBytesMax) {
      continue;
    }
    auto made = crypto::JwtKey::make({.kty = text_of(key, "kty"),
                                      .crv = text_of(key, "crv"),
                                      .n = text_of(key, "n"),
                                      .e = text_of(key, "e"),
                                      .x = text_of(key, "x"),
                                      .y = text_of(key, "y")});
    if (made && is_for(key, made->algorithm())) {
      set.keys_.push_back({.id = std::string(id), .key = *std::move(made)});
    }
  }
  if (set.keys_.empty()) {
    return std::unexpected("the key set has no key for RS256, ES256 or EdDSA");
  }
  return set;
}

bool KeySet::knows(std::string_view key_id, crypto::JwtAlgorithm algorithm) const noexcept {
  const auto count = std::ranges::count_if(keys_, [&](const Entry& entry) {
    return entry.key.algorithm() == algorithm && (key_id.empty() || entry.id == key_id);
  });
  return key_id.empty() ? count == 1 : count > 0;
}

bool KeySet::has_signed(std::string_view key_id, crypto::JwtAlgorithm algorithm,
                        std::string_view text, std::string_view signature) const {
  if (!knows(key_id, algorithm)) return false;
  size_t tried = 0;
  for (const Entry& entry : keys_) {
    const bool fits = entry.key.algorithm() == algorithm && (key_id.empty() || entry.id == key_id);
    if (!fits) continue;
    if (entry.key.has_signed(text, signature)) return true;
    if (++tried == kSameIdMost) return false;
  }
  return false;
}

}  // namespace sluice::auth
