// The SQLite file of organisations, teams, users, keys, and of what was done to them.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/auth/directory.h>
#include <sluice/auth/key_record.h>
#include <sluice/base/clock.h>

namespace sluice::store {
class SqliteWatcher;
}

namespace sluice::auth {

enum class StoreFault : uint8_t {
  kNotFound,  // No such key or owner, or none that `scope` may see (D4).
  kConflict,  // It exists already, or what is to be deleted is still in use.
  kInvalid,   // A reference to an owner that does not exist; nonsense in the record.
  kBusy,      // Another program, as a sqlite3 shell, holds the file for long.
  kBroken,    // The disk is full, the file is damaged, ...
};

struct StoreError {
  StoreFault fault = StoreFault::kBroken;
  std::string text;   // A sentence with cause and remedy; no secret.
  std::string field;  // That is wrong, "" when it is not one field.
};
template <class T>
using StoreResult = std::expected<T, StoreError>;

// The actor that the bootstrap token makes; no key may have it as its id.
inline constexpr std::string_view kBootstrapActor = "bootstrap";

// Who asks for a change: for the audit log, and for what may be seen.
struct Actor {
  std::string name;    // "unix:uid=1000,pid=77", or the id of a management key.
  std::string origin;  // "unix" or the client's address.
  // A management key of an organisation or team sees only what belongs to it (D4); "" is all.
  std::string organisation;
  std::string team;
};

struct AuditEntry {
  uint64_t id = 0;
  WallTime at;
  std::string actor;
  std::string origin;
  std::string action;  // "key.create", "team.block", "config.reload", ...
  std::string object;  // The id of what it was done to.
  std::string before;  // JSON objects without secrets, or "".
  std::string after;
  std::string outcome;  // "ok", or the error's code.
};

struct KeyFilter {
  std::optional<KeyKind> kind;
  std::optional<bool> is_blocked;
  std::string organisation;
  std::string team;
  std::string user;
  std::string tag;
  std::string search;  // In name, id and prefix.
};

// Part of a list: at most `most` behind `after`, by id.
struct Page {
  std::string after;
  uint32_t most = 100;  // 1-1000.
};

struct OwnerFilter {
  std::optional<OwnerLevel> level;
  std::string organisation;
  std::string team;
  std::string search;
};

struct AuditFilter {
  std::string actor;
  std::string action;  // A glob.
  std::string object;
  std::optional<WallTime> from;
  std::optional<WallTime> to;
  uint64_t before_id = 0;  // 0 begins with the newest.
  uint32_t most = 100;
};

struct SyncRequest {
  std::vector<KeyRecord> keys;  // By digest; `id` "" is found or made.
  bool is_full = false;         // Keys that are not named are deleted.
  bool may_empty = false;       // A full one without any key deletes all: must be said (D141).
  bool is_dry = false;          // Says what would happen.
};
struct SyncOutcome {
  uint64_t created = 0;
  uint64_t updated = 0;
  uint64_t unchanged = 0;
  uint64_t deleted = 0;
};

// What an earlier request with the same idempotency key was answered.
struct RememberedAnswer {
  crypto::Digest request{};  // Of method, path and body.
  uint16_t status = 0;
  std::string body;
};

struct KeyStoreOptions {
  bool checks_pages = true;  // Looks at every page at the start: damage is found before it serves.
  Duration busy_wait = seconds(5);          // For other programs that write the file.
  uint64_t bytes_max = 0;                   // Of the file; 0 is no bound.
  store::SqliteWatcher* watcher = nullptr;  // For tests.
};

// Each changing call is one transaction with its entry in the audit log, in the file (synced) when
// it returns; on an error nothing has changed. One process at a time holds the file (a lock beside
// it); a second one is refused. Blocks: for a lane, one thread.
class KeyStore {
 public:
  static constexpr Duration kRememberAnswers = seconds(24 * 3600);
  static constexpr uint64_t kAnswersMost = 100'000;  // The oldest go first.
  static constexpr size_t kAnswerKeyBytesMax = 255;
  static constexpr uint32_t kPageMost = 1'000;

  // Opens or makes the file (0600), and brings its schema up to date, step by numbered step, each
  // in a transaction of its own. The error is a sentence with cause and remedy.
  [[nodiscard]] static std::expected<std::unique_ptr<KeyStore>, std::string> open(
      const std::string& path, Clock& clock, const KeyStoreOptions& options = {});
  ~KeyStore();
  KeyStore(const KeyStore&) = delete;
  KeyStore& operator=(const KeyStore&) = delete;

  // All there is, once, for the directory; `progress` hears of every 100,000 keys.
  class Progress {
   public:
    virtual ~Progress() = default;
    virtual void on_keys(uint64_t read) = 0;
  };
  [[nodiscard]] StoreResult<IndexPtr> load(Progress& progress);

  // --- changes ----------------------------------------------------------------------------------
  // `key` comes with digest and prefix; id, created and updated are set here.
  [[nodiscard]] StoreResult<KeyRecord> create_key(const Actor& actor, KeyRecord key);
  // Replaces what may be changed: everything but id, digests, prefix and created.
  [[nodiscard]] StoreResult<KeyRecord> update_key(const Actor& actor, const KeyRecord& key);
  [[nodiscard]] StoreResult<KeyRecord> block_key(const Actor& actor, std::string_view id,
                                                 bool is_blocked);
  // A new secret. The former one stays good until `former_until`, if that is given (D9).
  [[nodiscard]] StoreResult<KeyRecord> rotate_key(const Actor& actor, std::string_view id,
                                                  const crypto::Digest& digest,
                                                  std::string_view prefix,
                                                  std::optional<WallTime> former_until);
  [[nodiscard]] StoreResult<void> delete_key(const Actor& actor, std::string_view id);
  [[nodiscard]] StoreResult<SyncOutcome> sync_keys(const Actor& actor, const SyncRequest& request);

  [[nodiscard]] StoreResult<Owner> create_owner(const Actor& actor, Owner owner);
  [[nodiscard]] StoreResult<Owner> update_owner(const Actor& actor, const Owner& owner);
  [[nodiscard]] StoreResult<Owner> block_owner(const Actor& actor, std::string_view id,
                                               bool is_blocked);
  // Refused while something belongs to it, unless `with_all`: then that goes, too.
  [[nodiscard]] StoreResult<void> delete_owner(const Actor& actor, std::string_view id,
                                               bool with_all);

  // Of things that are not in the store: reloads, drains, orders to upstreams.
  [[nodiscard]] StoreResult<void> note(const AuditEntry& entry);

  // What all changes since the last call amount to. After each changing call.
  [[nodiscard]] DirectoryChange take_changes();

  // --- looking ----------------------------------------------------------------------------------
  [[nodiscard]] StoreResult<KeyRecord> find_key(const Actor& actor, std::string_view id);
  [[nodiscard]] StoreResult<KeyRecord> find_key(const Actor& actor, const crypto::Digest& digest);
  [[nodiscard]] StoreResult<std::vector<KeyRecord>> list_keys(const Actor& actor,
                                                              const KeyFilter& filter,
                                                              const Page& page);
  [[nodiscard]] StoreResult<Owner> find_owner(const Actor& actor, std::string_view id);
  [[nodiscard]] StoreResult<std::vector<Owner>> list_owners(const Actor& actor,
                                                            const OwnerFilter& filter,
                                                            const Page& page);
  [[nodiscard]] StoreResult<std::vector<AuditEntry>> list_audit(const Actor& actor,
                                                                const AuditFilter& filter);

  // --- idempotency keys
  // --------------------------------------------------------------------------- By the actor's name
  // and the key that it chose, for kRememberAnswers. Answers hold secrets of keys that were just
  // made, so only the answer's shape is kept: the caller stores what it may say again.
  [[nodiscard]] StoreResult<std::optional<RememberedAnswer>> recall(const Actor& actor,
                                                                    std::string_view key);
  [[nodiscard]] StoreResult<void> remember(const Actor& actor, std::string_view key,
                                           const RememberedAnswer& answer);

 private:
  struct Parts;
  explicit KeyStore(std::unique_ptr<Parts> parts) noexcept;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::auth
