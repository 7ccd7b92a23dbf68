#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include <sluice/config/time_text.h>
#include <sluice/crypto/digest.h>

#include "fields.h"
#include "header_rules.h"
#include "schema.h"
#include "schema_limits.h"

namespace sluice::config {
namespace {

constexpr size_t kSecretBytesMin = 16;
constexpr size_t kSecretBytesMax = 512;
constexpr size_t kSubjectBytesMax = 1024;
constexpr size_t kModelLimitsMax = 1000;  // Of one key.

struct ModelLimitDraft : LimitSet {
  ModelId model;
};

// What a key's fields name; resolved to ids by read_keys.
struct KeyDraft {
  Key key;
  LimitSet limit_set;
  std::vector<ModelLimitDraft> model_limits;
  std::string tenant = "default";
  bool has_secret = false;  // One that can be used.
};

void read_name(Walk& walk, const Node& node, KeyDraft& draft) {
  if (auto name = walk.label(node)) draft.key.name = std::move(*name);
}

void read_secret(Walk& walk, const Node& node, KeyDraft& draft) {
  const auto secret = walk.secret(node);
  if (!secret) return;
  if (!is_header_value(*secret) || secret->find(' ') != std::string::npos) {
    return walk.error(node, "must be visible ASCII without spaces",
                      "make one with `openssl rand -hex 24`");
  }
  if (secret->size() > kSecretBytesMax) {
    return walk.error(node, "is longer than 512 bytes", "make one with `openssl rand -hex 24`");
  }
  if (secret->size() < kSecretBytesMin) {
    walk.warn(node, "is shorter than 16 characters and can be guessed",
              "make one with `openssl rand -hex 24`");
  }
  draft.key.digest = crypto::sha256(*secret);
  draft.has_secret = true;
}

// "CN=app,O=Example" rather than "/O=Example/CN=app" or "O = Example, CN = app".
bool is_rfc2253(std::string_view subject) noexcept {
  const size_t equals = subject.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  if (subject.front() == '/' || subject[equals - 1] == ' ') return false;
  for (size_t i = 0; i + 1 < subject.size(); ++i) {
    if (subject[i] == '\\') {
      ++i;
    } else if (subject[i] == ',' && subject[i + 1] == ' ') {
      return false;
    }
  }
  return true;
}

// Only the spelling is checked: what it must equal is text that OpenSSL makes of a certificate.
void read_certificate_subject(Walk& walk, const Node& node, KeyDraft& draft) {
  constexpr const char* kRemedy =
      "write what `openssl x509 -noout -subject -nameopt RFC2253 -in FILE` prints behind "
      "`subject=`";
  auto subject = walk.text(node);
  if (!subject) return;
  const bool is_ascii = std::ranges::all_of(*subject, [](char c) { return c >= ' ' && c <= '~'; });
  if (!is_ascii || subject->size() > kSubjectBytesMax) {
    return walk.error(node, "must be at most 1024 printable ASCII characters", kRemedy);
  }
  if (!is_rfc2253(*subject)) {
    return walk.error(node, "must be a subject as RFC 2253 writes it, as CN=app,O=Example",
                      kRemedy);
  }
  draft.key.certificate_subject = std::move(*subject);
}

// Empty after a report.
std::optional<ModelId> read_known_model(Walk& walk, const Node& node) {
  const auto name = read_model_name(walk, node);
  if (!name) return std::nullopt;
  if (const auto place = walk.model_names.find(*name)) return ModelId{place->index};
  walk.error(node,
             fmt::format("names the model `{}`, which does not exist{}", *name,
                         walk.suggestion(walk.model_names, *name)),
             "name one of `models`");
  return std::nullopt;
}

void read_allowed_models(Walk& walk, const Node& node, KeyDraft& draft) {
  draft.key.all_models = false;
  std::vector<ModelId>& models = draft.key.models;
  read_list(walk, node, kModelsMax, [&](const Node& item, size_t) {
    if (const auto model = read_known_model(walk, item)) models.push_back(*model);
  });
  std::ranges::sort(models);
  if (std::ranges::adjacent_find(models) == models.end()) return;
  walk.error(node, "names a model twice", "name each model once");
}

void read_expires(Walk& walk, const Node& node, KeyDraft& draft) {
  const auto text = walk.text(node);
  if (!text) return;
  draft.key.expires = parse_rfc3339(*text);
  if (draft.key.expires) return;
  walk.error(node, "must be a date and time of RFC 3339", "write it as 2027-01-31T00:00:00Z");
}

template <uint32_t Key::* Member, uint64_t Min, uint64_t Max>
constexpr auto read_key_number = [](Walk& walk, const Node& node, KeyDraft& draft) {
  if (const auto value = walk.number(node, Min, Max)) {
    draft.key.*Member = static_cast<uint32_t>(*value);
  }
};

void read_limited_model(Walk& walk, const Node& node, ModelLimitDraft& limit) {
  if (const auto model = read_known_model(walk, node)) limit.model = *model;
}

constexpr std::array kModelLimitFields = with_limit_fields(
    std::array{Field<ModelLimitDraft>{"model", read_limited_model, Presence::kRequired}});

void list_model_limit_keys(const std::string& prefix, std::vector<std::string>& names) {
  names.push_back(prefix + "model");
}

// After the models that the key may call.
void read_model_limits(Walk& walk, const Node& node, KeyDraft& draft) {
  read_list(walk, node, kModelLimitsMax, [&](const Node& item, size_t) {
    ModelLimitDraft limit;
    read_mapping(walk, item, kModelLimitFields, limit);
    check_limit_set(walk, item, limit);
    if (!limit.model.is_valid()) return;
    if (!draft.key.allows(limit.model)) {
      return walk.error(item, "names a model that the key may not call",
                        "add it to the key's `models`, or remove its limits");
    }
    if (std::ranges::find(draft.model_limits, limit.model, &ModelLimitDraft::model) !=
        draft.model_limits.end()) {
      return walk.error(item, "names a model again", "put all its limits into one item");
    }
    draft.model_limits.push_back(limit);
  });
}

// Both mean the same number.
void check_concurrency(Walk& walk, const Node& item) {
  const Node* limits = find_key(item, "limits");
  const Node* old = find_key(item, "concurrency_max");
  if (limits == nullptr || old == nullptr || find_key(*limits, "concurrency") == nullptr) return;
  const Walk::Step step(walk, "concurrency_max");
  walk.error(*old, "stands beside `concurrency` of the key's limits", "keep one of the two");
}

constexpr std::array kKeyFields = {
    Field<KeyDraft>{"name", read_name, Presence::kRequired},
    Field<KeyDraft>{"secret", read_secret},
    Field<KeyDraft>{"certificate_subject", read_certificate_subject},
    Field<KeyDraft>{"models", read_allowed_models},
    Field<KeyDraft>{"expires", read_expires},
    Field<KeyDraft>{"tenant", read_label<&KeyDraft::tenant>},
    Field<KeyDraft>{"weight", read_key_number<&Key::weight, 1, 1000>},
    Field<KeyDraft>{"priority_max", read_key_number<&Key::priority_max, 0, 255>},
    Field<KeyDraft>{"concurrency_max", read_key_number<&Key::concurrency_max, 0, 1'000'000>},
    Field<KeyDraft>{"limits", read_own_limits<&KeyDraft::limit_set>},
    Field<KeyDraft>{"model_limits", read_model_limits, Presence::kOptional, list_model_limit_keys}};

// Tenants that `tenants` does not have get their ids in the order in which keys name them.
TenantId tenant_of(const std::string& name, NameTable& known, Snapshot& snapshot) {
  const auto next = static_cast<uint32_t>(snapshot.tenants.size());
  if (const auto place = known.add(name, {next, 0})) return TenantId{place->index};
  snapshot.tenants.push_back({.name = name});
  return TenantId{next};
}

// A key needs something by which it is known, and nothing that another key is known by.
void add_proofs(Walk& walk, const Node& item, const KeyDraft& draft, KeyId id, Snapshot& snapshot) {
  const bool has_any =
      find_key(item, "secret") != nullptr || find_key(item, "certificate_subject") != nullptr;
  if (item.kind == NodeKind::kMapping && !has_any) {
    const Walk::Step step(walk, "secret");
    walk.error(item, "is missing",
               "add a line `secret:` with its value, or `certificate_subject:` for a key that a "
               "client certificate stands for");
  }
  const auto add = [&](auto& index, const auto& proof, std::string_view noun) {
    const auto [entry, is_new] = index.emplace(proof, id);
    if (is_new) return;
    const Key& other = snapshot.key(entry->second);
    walk.error(
        item, fmt::format("`{}` has the same {} as the key `{}`", draft.key.name, noun, other.name),
        fmt::format("give each key a {} of its own", noun));
  };
  if (draft.has_secret) add(snapshot.keys_by_digest, draft.key.digest, "secret");
  const std::string& subject = draft.key.certificate_subject;
  if (!subject.empty()) add(snapshot.keys_by_subject, subject, "certificate_subject");
}

void add_concurrency_rule(Key& key, Snapshot& snapshot) {
  key.limits.push_back(LimitId{static_cast<uint32_t>(snapshot.limit_rules.size())});
  snapshot.limit_rules.push_back({.name = "keys/" + key.name + "/concurrency_max",
                                  .scope = LimitScope::kKey,
                                  .measure = LimitMeasure::kConcurrency,
                                  .most = key.concurrency_max,
                                  .window = LimitWindow::kNone});
}

void add_limits(Walk& walk, const Node& item, KeyDraft& draft, Snapshot& snapshot) {
  Key& key = draft.key;
  key.limits = add_rules(walk, item, draft.limit_set, LimitScope::kKey,
                         fmt::format("keys/{}", key.name), snapshot);
  std::ranges::sort(draft.model_limits, {}, &ModelLimitDraft::model);
  for (const ModelLimitDraft& limit : draft.model_limits) {
    const std::string& model = snapshot.model(limit.model).name;
    for (const LimitId id : add_rules(walk, item, limit, LimitScope::kKeyModel,
                                      fmt::format("keys/{}/{}", key.name, model), snapshot)) {
      key.model_limits.push_back({limit.model, id});
    }
  }
  if (key.concurrency_max > 0) add_concurrency_rule(key, snapshot);
}

}  // namespace

void read_keys(Walk& walk, const Node& node, Snapshot& snapshot) {
  // Those of the configuration, when this is the key file.
  const size_t first = snapshot.keys.size();
  const size_t left = kKeysMax - first;
  snapshot.keys.reserve(first + std::min(node.children.size(), left));
  snapshot.keys_by_digest.reserve(snapshot.keys.capacity());
  read_list(walk, node, left, [&](const Node& item, size_t i) {
    KeyDraft draft;
    read_mapping(walk, item, kKeyFields, draft);
    const KeyId id{static_cast<uint32_t>(first + i)};
    draft.key.tenant = tenant_of(draft.tenant, walk.tenant_names, snapshot);
    if (!draft.key.name.empty()) {
      if (const auto taken = walk.key_names.add(draft.key.name, {id.value, item.line})) {
        walk.error(item,
                   fmt::format("has the name `{}` of the key in line {}{}", draft.key.name,
                               taken->line, taken->index < first ? " of the configuration" : ""),
                   "give each key a name of its own");
      }
    }
    add_proofs(walk, item, draft, id, snapshot);
    check_concurrency(walk, item);
    add_limits(walk, item, draft, snapshot);
    snapshot.keys.push_back(std::move(draft.key));
  });
}

void list_key_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kKeyFields, prefix, names);
}

}  // namespace sluice::config
