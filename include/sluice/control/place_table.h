// The places of the whole gateway, by the name of what they limit.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include <sluice/base/ids.h>
#include <sluice/base/place_bank.h>
#include <sluice/config/snapshot.h>
#include <sluice/limit/bank_table.h>
#include <sluice/upstream/shard_messages.h>

namespace sluice::control {

// A bank lives as long as the process, because old generations may hold places of it: there are as
// many as names with a limit were ever configured. With a bank table, which outlives this one, a
// predecessor and its successor count their places together. Control thread only.
class PlaceTable {
 public:
  explicit PlaceTable(uint32_t shards, limit::BankTable* shared = nullptr) noexcept
      : shards_(shards), shared_(shared) {}
  PlaceTable(const PlaceTable&) = delete;
  PlaceTable& operator=(const PlaceTable&) = delete;

  // Sets every bank to what `snapshot` says and returns them by its ids. Requests in flight keep
  // the places they have (D122). Where a limit was raised, places are handed to those that wait:
  // all shards are to look for them.
  [[nodiscard]] upstream::SnapshotPlaces follow(const config::Snapshot& snapshot);

  // While other processes share the places, those that came free there are handed to whoever waits
  // here. True when there were any: all shards are to look for them. At each tick.
  [[nodiscard]] bool hand_freed();

 private:
  // Null for a `most` of zero, which is no limit.
  [[nodiscard]] PlaceBank* find(char kind, std::string_view name, uint32_t most);
  static bool hand_out(PlaceBank& bank);

  uint32_t shards_;
  limit::BankTable* shared_;
  bool was_shared_ = false;  // At the last tick.
  absl::flat_hash_map<std::string, std::unique_ptr<PlaceBank>> banks_;
};

}  // namespace sluice::control
