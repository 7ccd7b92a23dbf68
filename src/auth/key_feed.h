// Everything in the store, row by row.
#pragma once

#include "key_tables.h"

namespace sluice::auth {

class KeyFeed {
 public:
  virtual ~KeyFeed() = default;
  virtual void on_owner(const Owner& owner) = 0;
  virtual void on_key(const KeyRecord& key) = 0;
};

// All owners, then all keys.
[[nodiscard]] StoreResult<void> feed_all(KeyTables& tables, KeyFeed& feed);

}  // namespace sluice::auth
