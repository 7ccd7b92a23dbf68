// What a ledger book remembers of one subject that is in use.
#pragma once

#include <cstdint>

#include <sluice/control/ledger_book.h>

namespace sluice::control {

struct LedgerBook::Hot {
  limit::Bank* bank = nullptr;  // Open.
  limit::BankTerms terms;
  LedgerKind kind = LedgerKind::kRolling;
  bool is_due = false;
  bool is_in_flight = false;
  uint32_t idle_ticks = 0;
  uint64_t taken_before = 0;
  double rate = 0;  // A second.
  int64_t asked = 0;
  int64_t owed = 0;
  int64_t returned = 0;
  int64_t return_slot = 0;
  // Of granted ones.
  int64_t credit_slot = -1;
  LimitTime credit_end;
  LimitTime slot_end;
  int64_t gateways = 1;    // That are there.
  int64_t remaining = -1;  // That others could have, when it was last heard of.
  LimitTime careful_until;
  // Of split ones.
  int64_t part = 0;
  int64_t cap = 0;
  int64_t want = 0;
  LimitTime part_at;  // When it was asked for.
  LimitTime shrunk_at;
  LimitTime grown_at;

  [[nodiscard]] bool is_split() const noexcept { return kind == LedgerKind::kSplit; }
};

}  // namespace sluice::control
