#include "schema_chain.h"
#include "bounds.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "fields.h"
#include "key_file.h"
#include "named_file.h"
#include "schema_calls.h"
#include "schema_redis.h"

namespace sluice::config {
namespace {

constexpr size_t kSourcesMax = 16;
constexpr size_t kAudiencesMax = 32;
constexpr size_t kColumnsMax = 64;
constexpr size_t kClaimsMax = 64;
constexpr size_t kPatternBytesMax = 512;
constexpr size_t kAudienceBytesMax = 512;
constexpr size_t kClaimBytesMax = 256;
constexpr size_t kScriptBytesMax = 256 * 1024;

// In the order of SourceKind.
constexpr std::array<std::string_view, 7> kKinds = {"file",    "sqlite", "redis", "database",
                                                    "webhook", "jwt",    "lua"};

struct SourceDraft : SourceSettings {
  std::optional<SourceKind> type;
};

void read_type(Walk& walk, const Node& node, SourceDraft& source) {
  const auto index = walk.choice(node, kKinds);
  if (!index) return;
  source.type = source.kind = static_cast<SourceKind>(*index);
  source.name = kKinds[*index];
}

void read_on_error(Walk& walk, const Node& node, SourceDraft& source) {
  static constexpr std::array<std::string_view, 2> kWords = {"deny", "allow_cached"};
  if (const auto index = walk.choice(node, kWords)) {
    source.on_error = static_cast<SourceLoss>(*index);
  }
}

void read_source_redis(Walk& walk, const Node& node, SourceDraft& source) {
  read_redis_connection(walk, node, source.redis);
}

void read_pattern(Walk& walk, const Node& node, SourceDraft& source) {
  auto text = walk.text(node);
  if (!text) return;
  const bool has_key =
      text->find("{api_key}") != std::string::npos || text->find("{sha256}") != std::string::npos;
  if (!has_key || text->size() > kPatternBytesMax) {
    return walk.error(node, "must be at most 512 bytes with `{sha256}` or `{api_key}` in them",
                      "write it as sluice:key:{sha256}");
  }
  source.pattern = std::move(*text);
}

void read_table(Walk& walk, const Node& node, SourceDraft& source) {
  if (auto name = read_sql_name(walk, node, true)) source.table = std::move(*name);
}

void read_key_column(Walk& walk, const Node& node, SourceDraft& source) {
  if (auto name = read_sql_name(walk, node, false)) source.key_column = std::move(*name);
}

void read_key_form(Walk& walk, const Node& node, SourceDraft& source) {
  static constexpr std::array<std::string_view, 2> kWords = {"plain", "sha256"};
  if (const auto index = walk.choice(node, kWords)) {
    source.key_form = static_cast<SecretForm>(*index);
  }
}

// A list of names, or a mapping of each name to the field that it is.
void read_columns(Walk& walk, const Node& node, SourceDraft& source) {
  const auto add = [&](const Node& name_at, const Node& field_at) {
    auto name = read_sql_name(walk, name_at, false);
    auto field = walk.label(field_at);
    if (name && field) source.columns.emplace_back(std::move(*name), std::move(*field));
  };
  if (node.kind == NodeKind::kSequence) {
    return read_list(walk, node, kColumnsMax, [&](const Node& item, size_t) { add(item, item); });
  }
  if (!walk.is_mapping(node)) return;
  if (node.children.size() > 2 * kColumnsMax) {
    return walk.error(node, "has more than 64 columns", "remove some");
  }
  for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
    const Walk::Step step(walk, node.children[i].text);
    add(node.children[i], node.children[i + 1]);
  }
}

void read_source_url(Walk& walk, const Node& node, SourceDraft& source) {
  auto url = read_call_url(walk, node, source.private_addresses);
  if (url) source.url = std::move(*url);
}

void read_issuer(Walk& walk, const Node& node, SourceDraft& source) {
  auto url = read_call_url(walk, node, source.private_addresses);
  if (url) source.issuer = std::move(*url);
}

void read_jwks_url(Walk& walk, const Node& node, SourceDraft& source) {
  auto url = read_call_url(walk, node, source.private_addresses);
  if (url) source.jwks_url = std::move(*url);
}

void read_audiences(Walk& walk, const Node& node, SourceDraft& source) {
  read_list(walk, node, kAudiencesMax, [&](const Node& item, size_t) {
    auto text = walk.text(item);
    if (!text) return;
    if (text->size() > kAudienceBytesMax) {
      return walk.error(item, "is longer than 512 bytes", "write what `aud` of a token says");
    }
    source.audiences.push_back(std::move(*text));
  });
}

void read_algorithms(Walk& walk, const Node& node, SourceDraft& source) {
  static constexpr std::array<std::string_view, 3> kWords = {"RS256", "ES256", "EdDSA"};
  source.algorithms.clear();
  read_list(walk, node, kWords.size(), [&](const Node& item, size_t) {
    const auto index = walk.choice(item, kWords);
    if (!index) return;
    std::string word(kWords[*index]);
    if (std::ranges::find(source.algorithms, word) != source.algorithms.end()) {
      return walk.error(item, "repeats an algorithm", "name each one once");
    }
    source.algorithms.push_back(std::move(word));
  });
}

void read_claims(Walk& walk, const Node& node, SourceDraft& source) {
  if (!walk.is_mapping(node)) return;
  if (node.children.size() > 2 * kClaimsMax) {
    return walk.error(node, "has more than 64 claims", "remove some");
  }
  for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
    const std::string& claim = node.children[i].text;
    const Walk::Step step(walk, std::string_view(claim).substr(0, kClaimBytesMax));
    if (claim.empty() || claim.size() > kClaimBytesMax) {
      walk.error(node.children[i], "is not a claim of at most 256 bytes",
                 "write it as realm.roles");
      continue;
    }
    if (auto field = walk.label(node.children[i + 1])) {
      source.claims.emplace_back(claim, std::move(*field));
    }
  }
}

void read_source_script(Walk& walk, const Node& node, SourceDraft& source) {
  auto named = read_named_file(walk, node, kScriptBytesMax);
  if (!named) return;
  source.script = std::move(named->path);
  source.source = std::move(named->file.text);
}

// What is judged by others comes behind them.
constexpr std::array kSourceFields = {
    Field<SourceDraft>{"type", read_type, Presence::kRequired},
    Field<SourceDraft>{"name", read_label<&SourceSettings::name>},
    Field<SourceDraft>{"on_error", read_on_error},
    Field<SourceDraft>{"timeout", read_duration<&SourceSettings::timeout, 10, 60 * kSecond>},
    Field<SourceDraft>{"ttl", read_duration<&SourceSettings::ttl, kSecond, 24 * kHour>},
    Field<SourceDraft>{"negative_ttl",
                       read_switched_duration<&SourceSettings::negative_ttl, 100, 24 * kHour>},
    Field<SourceDraft>{"stale_max",
                       read_duration<&SourceSettings::stale_max, kSecond, 7 * 24 * kHour>},
    // Its keys are listed once, as those of the top.
    Field<SourceDraft>{"redis", read_source_redis}, Field<SourceDraft>{"pattern", read_pattern},
    Field<SourceDraft>{"sql", read_sql_of, Presence::kOptional, list_sql_keys},
    Field<SourceDraft>{"table", read_table}, Field<SourceDraft>{"key_column", read_key_column},
    Field<SourceDraft>{"key_form", read_key_form}, Field<SourceDraft>{"columns", read_columns},
    Field<SourceDraft>{"private_addresses", read_boolean<&SourceSettings::private_addresses>},
    Field<SourceDraft>{"url", read_source_url}, Field<SourceDraft>{"headers", read_headers_of},
    Field<SourceDraft>{"tls", read_tls_of, Presence::kOptional, list_call_tls_keys},
    Field<SourceDraft>{"issuer", read_issuer}, Field<SourceDraft>{"jwks_url", read_jwks_url},
    Field<SourceDraft>{"audiences", read_audiences},
    Field<SourceDraft>{"algorithms", read_algorithms},
    Field<SourceDraft>{"leeway", read_switched_duration<&SourceSettings::leeway, kSecond, kHour>},
    Field<SourceDraft>{"claims", read_claims}, Field<SourceDraft>{"script", read_source_script}};

constexpr uint8_t bit(SourceKind kind) noexcept {
  return static_cast<uint8_t>(1u << static_cast<unsigned>(kind));
}
constexpr uint8_t kRedisBit = bit(SourceKind::kRedis);
constexpr uint8_t kDatabaseBit = bit(SourceKind::kDatabase);
constexpr uint8_t kWebhookBit = bit(SourceKind::kWebhook);
constexpr uint8_t kJwtBit = bit(SourceKind::kJwt);
constexpr uint8_t kLuaBit = bit(SourceKind::kLua);
constexpr uint8_t kRemoteBits = kRedisBit | kDatabaseBit | kWebhookBit | kJwtBit;

// Which kinds a field is for, and those of them that need it.
struct FieldUse {
  std::string_view name;
  uint8_t kinds;
  bool is_needed = false;
};
constexpr std::array kFieldUses = {FieldUse{"on_error", kRemoteBits},
                                   FieldUse{"timeout", kRemoteBits},
                                   FieldUse{"ttl", kRemoteBits},
                                   FieldUse{"negative_ttl", kRemoteBits},
                                   FieldUse{"stale_max", kRemoteBits},
                                   FieldUse{"redis", kRedisBit, true},
                                   FieldUse{"pattern", kRedisBit},
                                   FieldUse{"sql", kDatabaseBit, true},
                                   FieldUse{"table", kDatabaseBit, true},
                                   FieldUse{"key_column", kDatabaseBit, true},
                                   FieldUse{"key_form", kDatabaseBit | kWebhookBit},
                                   FieldUse{"columns", kDatabaseBit},
                                   FieldUse{"private_addresses", kWebhookBit | kJwtBit},
                                   FieldUse{"url", kWebhookBit, true},
                                   FieldUse{"headers", kWebhookBit},
                                   FieldUse{"tls", kWebhookBit | kJwtBit},
                                   FieldUse{"issuer", kJwtBit, true},
                                   FieldUse{"jwks_url", kJwtBit},
                                   FieldUse{"audiences", kJwtBit, true},
                                   FieldUse{"algorithms", kJwtBit},
                                   FieldUse{"leeway", kJwtBit},
                                   FieldUse{"claims", kJwtBit},
                                   FieldUse{"script", kLuaBit, true}};

void check_source(Walk& walk, const Node& item, const SourceDraft& source,
                  const Snapshot& snapshot) {
  if (!source.type || item.kind != NodeKind::kMapping) return;
  const std::string_view type = kKinds[static_cast<size_t>(*source.type)];
  for (const FieldUse& use : kFieldUses) {
    if ((use.kinds & bit(*source.type)) == 0) {
      refuse_with_type(walk, item, use.name, type);
    } else if (use.is_needed) {
      require_with_type(walk, item, use.name, type);
    }
  }
  const Node* stale = find_key(item, "stale_max");
  if (stale != nullptr && source.on_error == SourceLoss::kDeny) {
    const Walk::Step step(walk, "stale_max");
    walk.error(*stale, "has no effect with `on_error: deny`", "remove it, or allow_cached");
  }
  if (*source.type == SourceKind::kSqlite && !snapshot.store) {
    walk.error(item, "needs a `store`", "add a section `store` with the `path` of its file");
  }
}

void read_sources(Walk& walk, const Node& node, Snapshot& snapshot) {
  NameTable names;
  std::vector<SourceSettings>& sources = snapshot.auth.sources;
  uint8_t seen = 0;
  read_list(walk, node, kSourcesMax, [&](const Node& item, size_t i) {
    SourceDraft source;
    read_mapping(walk, item, kSourceFields, source);
    check_source(walk, item, source, snapshot);
    if (!source.type) return;
    const bool is_of_process =
        source.kind == SourceKind::kFile || source.kind == SourceKind::kSqlite;
    if (is_of_process && (seen & bit(source.kind)) != 0) {
      walk.error(item, "has a `type` that can stand there once only", "remove one of the two");
    } else if (const auto taken = names.add(source.name, {static_cast<uint32_t>(i), item.line})) {
      walk.error(
          item, fmt::format("has the name `{}` of the source in line {}", source.name, taken->line),
          "give each source a `name` of its own");
    }
    seen |= bit(source.kind);
    sources.push_back(std::move(static_cast<SourceSettings&>(source)));
  });
}

void read_auth_mode(Walk& walk, const Node& node, Snapshot& snapshot) {
  static constexpr std::array<std::string_view, 2> kWords = {"first_match", "all"};
  if (const auto index = walk.choice(node, kWords)) {
    snapshot.auth.mode = static_cast<AuthMode>(*index);
  }
}

void read_chain_key_file(Walk& walk, const Node& node, Snapshot& snapshot) {
  read_key_file(walk, node, snapshot);
}

template <auto Read>
constexpr auto of_auth =
    [](Walk& walk, const Node& node, Snapshot& snapshot) { Read(walk, node, snapshot.auth); };

constexpr std::array kChainFields = {
    Field<Snapshot>{"mode", read_auth_mode},
    Field<Snapshot>{"wait_max", of_auth<read_duration<&AuthSettings::wait_max, 10, 60 * kSecond>>},
    Field<Snapshot>{"cache_entries",
                    of_auth<read_number<&AuthSettings::cache_entries, 1024, 16'777'216>>},
    Field<Snapshot>{"lookups_per_address",
                    of_auth<read_number<&AuthSettings::lookups_per_address, 1, 1'000'000>>},
    Field<Snapshot>{"key_file", read_chain_key_file},
    Field<Snapshot>{"sources", read_sources, Presence::kOptional, list_section<kSourceFields>}};

}  // namespace

void read_chain(Walk& walk, const Node& node, Snapshot& snapshot) {
  read_mapping(walk, node, kChainFields, snapshot);
  if (find_key(node, "sources") == nullptr) set_default_chain(snapshot);
}

void list_chain_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kChainFields, prefix, names);
}

void set_default_chain(Snapshot& snapshot) {
  const auto add = [&](SourceKind kind) {
    SourceSettings source;
    source.kind = kind;
    source.name = kKinds[static_cast<size_t>(kind)];
    snapshot.auth.sources.push_back(std::move(source));
  };
  add(SourceKind::kFile);
  if (snapshot.store) add(SourceKind::kSqlite);
}

}  // namespace sluice::config
