// Calls of the key store from admin calls: on its lane, with idempotency keys and the audit log.
#pragma once

#include <functional>
#include <string>

#include <sluice/auth/key_store.h>

#include "route.h"

namespace sluice::admin {

// What a call of the store came to.
struct StoreAnswer {
  control::SmallAnswer answer;
  // What the same request is answered when it comes again with its idempotency key; it must not
  // hold a secret. "" is the answer itself.
  std::string replay{};
};

// Runs on the store's lane: touches the store, the call's own values, and nothing else.
using StoreWork = std::move_only_function<StoreAnswer(auth::KeyStore& store)>;

// Resumes when what `work` changed is in force. Without a store 409, `no_store`.
//
// A route that is_remembered answers a request that comes again with the same idempotency key, of
// the same caller, as it answered the first one, and does nothing; another request with it gets a
// 409. Suspends.
Task<control::SmallAnswer> with_store(Call& call, StoreWork work);

// The same as the function of a row, of work that needs nothing else.
template <StoreAnswer (*kWork)(auth::KeyStore& store, Call& call)>
Task<control::SmallAnswer> in_store(Call& call) {
  return with_store(call, [&call](auth::KeyStore& store) { return kWork(store, call); });
}

// Writes `call.note` with the outcome to the audit log, if there is a store. Suspends.
Task<void> note(Call& call, const control::SmallAnswer& answer);

[[nodiscard]] control::SmallAnswer answer_of(const auth::StoreError& error);

}  // namespace sluice::admin
