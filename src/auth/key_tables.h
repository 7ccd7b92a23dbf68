// What the calls of the key store share: its file, looks into it, and changes as transactions.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <sluice/auth/key_store.h>
#include <sluice/base/clock.h>
#include <sluice/crypto/random.h>
#include <sluice/store/sqlite_db.h>

#include "key_rows.h"

namespace sluice::auth {

[[nodiscard]] std::unexpected<StoreError> refusal(StoreFault fault, std::string text,
                                                  std::string_view field = {});
[[nodiscard]] std::unexpected<StoreError> refusal(const store::SqliteError& error);
[[nodiscard]] std::unexpected<StoreError> refusal(const FieldFault& fault);
// The same sentence for what is not there and for what the actor may not see (D4).
[[nodiscard]] std::unexpected<StoreError> no_such(std::string_view what);

// What changed, for the directory: of each thing how it was at first and how it is now.
class ChangeLog {
 public:
  // Null is one that was not, or is no more.
  void note(const KeyRecord* before, const KeyRecord* after);
  void note(const Owner* before, const Owner* after);
  // `later` happened after what is here.
  void add(ChangeLog&& later);
  [[nodiscard]] DirectoryChange take();

 private:
  template <class T>
  struct Step {
    std::optional<T> first;
    std::optional<T> last;
  };
  template <class T>
  using Steps = std::map<std::string, Step<T>, std::less<>>;
  template <class T>
  static void note(Steps<T>& steps, const T* before, const T* after);
  template <class T>
  static void add(Steps<T>& steps, Steps<T>&& later);

  Steps<KeyRecord> keys_;
  Steps<Owner> owners_;
};

class KeyTables {
 public:
  KeyTables(std::unique_ptr<store::SqliteDb> file, Clock& time);

  // Whoever asks; kNotFound.
  [[nodiscard]] StoreResult<KeyRecord> key(std::string_view id);
  [[nodiscard]] StoreResult<Owner> owner(std::string_view id);
  // By its secret of now or the one before, also one whose time is over.
  [[nodiscard]] StoreResult<std::optional<KeyRecord>> key_with(const crypto::Digest& digest);
  // As the actor sees it; what it may not see is kNotFound.
  [[nodiscard]] StoreResult<KeyRecord> key_for(const Actor& actor, std::string_view id);
  [[nodiscard]] StoreResult<Owner> owner_for(const Actor& actor, std::string_view id);
  // The rows of a statement that gives kKeyColumns or kOwnerColumns.
  [[nodiscard]] StoreResult<std::vector<KeyRecord>> keys(
      std::string_view sql, std::span<const store::SqliteValue> values);
  [[nodiscard]] StoreResult<std::vector<Owner>> owners(std::string_view sql,
                                                       std::span<const store::SqliteValue> values);
  [[nodiscard]] std::string new_id(std::string_view front);

  std::unique_ptr<store::SqliteDb> db;
  Clock& clock;
  RowReader reader;
  crypto::RandomSource random;
  ChangeLog changes;  // That were committed and not taken yet.
};

struct KeyStore::Parts : KeyTables {
  using KeyTables::KeyTables;
};

// One transaction: rows, their entries in the audit log, and what the directory is told. All of it
// is undone at its end unless it was committed.
class StoreChange {
 public:
  [[nodiscard]] static StoreResult<StoreChange> begin(KeyTables& tables, const Actor& actor);

  // `before` or `after` is null where the thing is made or deleted. Both have the same id.
  [[nodiscard]] StoreResult<void> put(std::string_view action, const KeyRecord* before,
                                      const KeyRecord* after);
  [[nodiscard]] StoreResult<void> put(std::string_view action, const Owner* before,
                                      const Owner* after);
  [[nodiscard]] StoreResult<void> note(const AuditEntry& entry, std::string_view organisation,
                                       std::string_view team);
  [[nodiscard]] StoreResult<void> commit();
  [[nodiscard]] WallTime now() const noexcept { return now_; }

 private:
  StoreChange(KeyTables& tables, const Actor& actor, store::SqliteTransaction&& transaction);
  template <class T>
  [[nodiscard]] StoreResult<void> put_row(std::string_view action, const T* before, const T* after);

  KeyTables* tables_;
  const Actor* actor_;
  store::SqliteTransaction transaction_;
  WallTime now_;
  ChangeLog log_;
};

}  // namespace sluice::auth
