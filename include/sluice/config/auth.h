// Who may call, and where that is asked: the chain of key sources, the key store, scripts, and the
// records of use.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/config/limiting.h>
#include <sluice/config/tls.h>

namespace sluice::config {

enum class AuthMode : uint8_t {
  kFirstMatch,  // The first source that knows the key decides.
  kAll,         // Every source must know it and allow it; one that fails denies.
};

enum class SourceKind : uint8_t { kFile, kSqlite, kRedis, kDatabase, kWebhook, kJwt, kLua };

// What holds while a source cannot be asked.
enum class SourceLoss : uint8_t {
  kDeny,
  kAllowCached,  // An answer that is older than its time holds on, up to `stale_max`.
};

// Where the text of the key goes into what a source is asked: as it is, or its SHA-256 as 64
// hexadecimal digits. In a pattern as `{api_key}` and `{sha256}`.
enum class SecretForm : uint8_t { kPlain, kSha256 };

enum class SqlDriver : uint8_t { kPostgres, kMysql };

struct SqlSettings {
  SqlDriver driver = SqlDriver::kPostgres;
  std::string host;  // A name, an address, or the full path of the directory of a Unix socket.
  uint16_t port = 5432;
  std::string user;
  std::string password;  // A secret; "" is none.
  std::string database;
  bool tls = true;                // Verified; `tls: false` must be said.
  std::string tls_ca;             // File; "" is the system's.
  Duration timeout = seconds(5);  // Of connecting, and of one statement.
  bool operator==(const SqlSettings&) const = default;
};

// One source of the chain. Which fields mean something depends on `kind`.
struct SourceSettings {
  SourceKind kind = SourceKind::kFile;
  std::string name;  // In logs and metrics; unique; the kind's word when not configured.
  SourceLoss on_error = SourceLoss::kDeny;
  Duration timeout = seconds(2);        // One look-up there.
  Duration ttl = seconds(60);           // How long an answer holds; a source may say less.
  Duration negative_ttl = seconds(10);  // The same when the key is not known there.
  Duration stale_max = seconds(3600);   // With kAllowCached.
  // Redis: a connection of its own.
  std::optional<RedisSettings> redis;
  std::string pattern = "sluice:key:{sha256}";
  // Database: `SELECT <columns> FROM <table> WHERE <key_column> = <placeholder>`; column names are
  // those of docs/keys.md, or `column: name` pairs.
  std::optional<SqlSettings> sql;
  std::string table;
  std::string key_column;
  SecretForm key_form = SecretForm::kSha256;
  std::vector<std::pair<std::string, std::string>> columns;  // Of the table; the field it is.
  // Webhook: POST of {"api_key" or "sha256", "timestamp"} (D128).
  std::string url;
  bool private_addresses = false;
  std::vector<std::pair<std::string, std::string>> headers;  // Values may be secrets.
  std::string tls_ca;
  // JWT.
  std::string issuer;                  // Of the `iss` claim; discovery below it.
  std::string jwks_url;                // "" is discovered.
  std::vector<std::string> audiences;  // One of them must be in `aud`; at least one.
  std::vector<std::string> algorithms = {"RS256", "ES256", "EdDSA"};
  Duration leeway = seconds(60);  // Of exp, nbf and iat.
  // Which claim ("realm.roles" goes into objects) is which field of a key (docs/keys.md).
  std::vector<std::pair<std::string, std::string>> claims;  // Claim; field.
  // Lua.
  std::string script;  // File.
  std::string source;  // Its text, read when the configuration is.
  bool operator==(const SourceSettings&) const = default;
};

struct AuthSettings {
  AuthMode mode = AuthMode::kFirstMatch;
  // In the order in which they are asked. Without a section `auth`: kFile, then kSqlite when there
  // is a store.
  std::vector<SourceSettings> sources;
  std::string key_file;  // A watched file with `keys:` as in the configuration; "" is none.
  Duration wait_max = seconds(3);   // A request waits once, for all its sources together.
  uint32_t cache_entries = 65'536;  // Of each shard.
  // Keys that the sources have to be asked about, for one client address within ten seconds.
  uint32_t lookups_per_address = 100;
  bool operator==(const AuthSettings&) const = default;
};

// The SQLite file of organisations, teams, users, keys and the audit log.
struct StoreSettings {
  std::string path;
  bool operator==(const StoreSettings&) const = default;
};

// One of those that are told of every exchange, besides the file.
struct ReporterSettings {
  enum class Kind : uint8_t { kWebhook, kDatabase };
  Kind kind = Kind::kWebhook;
  std::string name;  // In logs and metrics; unique.
  Duration timeout = seconds(10);
  uint32_t batch_max = 500;  // Records in one call.
  Duration interval = seconds(1);
  std::string url;  // Webhook: POST of {"records": [...]}; any 2xx takes them.
  bool private_addresses = false;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string tls_ca;
  std::optional<SqlSettings> sql;  // Database: INSERT into `table`, which must exist.
  std::string table = "sluice_usage";
  bool operator==(const ReporterSettings&) const = default;
};

// One record of each exchange, in a SQLite file; needs a journal.
struct UsageLogSettings {
  std::string path;
  Duration retention = seconds(90 * 86'400);
  uint64_t bytes_max = uint64_t{10} << 30;  // The oldest records go first.
  std::vector<ReporterSettings> reporters;
  bool operator==(const UsageLogSettings&) const = default;
};

// What a hook's failure means: an error, a limit that it hits, an answer of the wrong type.
enum class HookFailure : uint8_t { kRefuse, kPass };

struct HookSettings {
  std::string script;  // File.
  std::string source;  // Its text, read when the configuration is.
  HookFailure on_error = HookFailure::kRefuse;
  bool operator==(const HookSettings&) const = default;
};

struct ScriptSettings {
  std::optional<HookSettings> on_auth;
  std::optional<HookSettings> on_request;
  std::optional<HookSettings> on_response;
  uint64_t instructions_max = 1'000'000;  // Of one call.
  Duration time_max = milliseconds(10);   // Of one call.
  uint64_t memory_max = 8u << 20;         // Of one shard's state.
  bool may_route = false;                 // on_request may name another model or tags (D94).
  bool operator==(const ScriptSettings&) const = default;
};

// A second admin listener, for management keys of the store; its certificate files make it https.
struct AdminListener {
  std::string host;
  uint16_t port = 0;
  std::string certificate;
  std::string key;
  bool operator==(const AdminListener&) const = default;
};

struct AdminSettings {
  std::string group;     // Owns the socket; "" is the process's own.
  uint32_t mode = 0600;  // Of the socket.
  std::optional<AdminListener> listener;
  std::string bootstrap_token;  // A secret that the listener takes before there is a key.
  bool watch_config = false;    // The file is read anew when it changes.
  bool operator==(const AdminSettings&) const = default;
};

}  // namespace sluice::config
