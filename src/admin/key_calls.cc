#include "key_calls.h"

#include "fields.h"

namespace sluice::admin {
namespace {

// Room for an answer with a key, so that a string that grows leaves no part of a secret behind.
constexpr size_t kAnswerBytes = 64 * 1024;

std::string write_answer(const auth::KeyRecord& key, std::string_view secret, KeyStates& states) {
  std::string body;
  body.reserve(kAnswerBytes);
  json::Writer writer(body);
  writer.begin_object().key("key");
  write_key(writer, key, states);
  writer.key("secret");
  write_text_or_null(writer, secret);
  writer.key("replayed").boolean(secret.empty()).end_object();
  return body;
}

}  // namespace

std::expected<auth::Page, Refusal> read_page(const json::Value& query) {
  const int64_t most = integer_of(query, "limit").value_or(100);
  if (most < 1 || most > 1'000) {
    return std::unexpected(
        Refusal{.message = "`limit` must be a number from 1 to 1000", .param = "limit"});
  }
  return auth::Page{.after = text_of(query, "cursor"), .most = static_cast<uint32_t>(most)};
}

StoreAnswer answer_with_secret(uint16_t status, const auth::KeyRecord& key, std::string_view secret,
                               KeyStates& states) {
  return {.answer = {.status = status, .body = write_answer(key, secret, states)},
          .replay = write_answer(key, {}, states)};
}

}  // namespace sluice::admin
