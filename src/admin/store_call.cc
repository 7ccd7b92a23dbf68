#include "store_call.h"

#include <algorithm>

#include <fmt/format.h>

#include <sluice/crypto/digest.h>

namespace sluice::admin {
namespace {

constexpr size_t kIdempotencyKeyBytesMost = 128;

Refusal refuse_without_store() {
  return {
      .status = 409,
      .code = "no_store",
      .message = "there is no key store; set store.path in the configuration and restart Sluice",
      .param = {}};
}

bool is_usable(std::string_view key) noexcept {
  return key.size() <= kIdempotencyKeyBytesMost &&
         std::ranges::all_of(key, [](char c) { return c > ' ' && c < 0x7f; });
}

// Of all that makes two requests the same; each part with its length.
crypto::Digest digest_of(const control::SmallRequest& request) {
  std::string text;
  for (const std::string_view part :
       {http::to_string(request.method), std::string_view(request.path),
        std::string_view(request.query), std::string_view(request.body)}) {
    text += fmt::format("{}:", part.size());
    text += part;
  }
  return crypto::sha256(text);
}

// Who asked, for idempotency keys: the account without its process, which is another one each time
// that a command is tried again.
auth::Actor account_of(const auth::Actor& actor) {
  auth::Actor account = actor;
  if (actor.origin == "unix") account.name = actor.name.substr(0, actor.name.find(",pid="));
  return account;
}

StoreAnswer run_once(auth::KeyStore& store, const auth::Actor& actor,
                     const control::SmallRequest& request, StoreWork& work) {
  const crypto::Digest digest = digest_of(request);
  const auto known = store.recall(actor, request.idempotency_key);
  if (!known) return {answer_of(known.error())};
  if (*known && (*known)->request != digest) {
    return {control::error_answer(409, "idempotency_conflict",
                                  "this idempotency key came with another request before; take a "
                                  "new one for each request")};
  }
  if (*known) return {{.status = (*known)->status, .body = (*known)->body}};
  StoreAnswer made = work(store);
  if (made.answer.status >= 300) return made;
  // What was made is told of in any case: its secret would be lost.
  (void)store.remember(actor, request.idempotency_key,
                       {.request = digest,
                        .status = made.answer.status,
                        .body = made.replay.empty() ? made.answer.body : made.replay});
  return made;
}

std::string outcome_of(const control::SmallAnswer& answer) {
  if (answer.status < 400) return "ok";
  const auto parsed = json::parse_value(answer.body);
  const json::Value* error = parsed ? parsed->find("error") : nullptr;
  const json::Value* code = error == nullptr ? nullptr : error->find("code");
  return code == nullptr || code->as_string() == nullptr ? "failed" : *code->as_string();
}

}  // namespace

Task<control::SmallAnswer> with_store(Call& call, StoreWork work) {
  KeyWork* keys = call.parts.keys;
  if (keys == nullptr || !keys->has_store()) co_return answer_of(refuse_without_store());
  const std::string& once = call.request.idempotency_key;
  const bool is_once = call.route.is_remembered && !once.empty();
  if (is_once && !is_usable(once)) {
    co_return control::error_answer(400, "invalid_request",
                                    "an idempotency key is at most 128 visible characters",
                                    "idempotency-key");
  }
  StoreAnswer made;
  const auto ran = co_await keys->run([&](auth::KeyStore& store) {
    made =
        is_once ? run_once(store, account_of(call.caller.actor), call.request, work) : work(store);
  });
  if (!ran) co_return control::error_answer(503, "store_failed", ran.error());
  co_return std::move(made.answer);
}

Task<void> note(Call& call, const control::SmallAnswer& answer) {
  KeyWork* keys = call.parts.keys;
  if (keys == nullptr || !keys->has_store()) co_return;
  const auth::AuditEntry entry{.at = call.parts.clock.wall(),
                               .actor = call.caller.actor.name,
                               .origin = call.caller.actor.origin,
                               .action = std::string(call.route.action),
                               .object = call.note.object,
                               .before = call.note.before,
                               .after = call.note.after,
                               .outcome = outcome_of(answer)};
  std::string problem;
  const auto ran = co_await keys->run([&](auth::KeyStore& store) {
    const auto written = store.note(entry);
    if (!written) problem = written.error().text;
  });
  if (!ran) problem = ran.error();
  if (problem.empty()) co_return;
  call.parts.log.write(
      LogLevel::kError, "audit",
      fmt::format("{} by {} is not in the audit log: {}", entry.action, entry.actor, problem));
}

control::SmallAnswer answer_of(const auth::StoreError& error) {
  switch (error.fault) {
    case auth::StoreFault::kNotFound:
      return control::error_answer(404, "not_found", error.text, error.field);
    case auth::StoreFault::kConflict:
      return control::error_answer(409, "conflict", error.text, error.field);
    case auth::StoreFault::kInvalid:
      return control::error_answer(400, "invalid_request", error.text, error.field);
    case auth::StoreFault::kBusy:
    case auth::StoreFault::kBroken: break;
  }
  return control::error_answer(503, "store_failed", error.text, error.field);
}

}  // namespace sluice::admin
