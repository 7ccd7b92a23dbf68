// One admin call as a row of a table: what it takes, what it answers, who may ask for it.
//
// The router, the checks of bodies, the OpenAPI document and the tests read the same rows.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/admin/admin_server.h>
#include <sluice/json/value.h>

#include "caller.h"

namespace sluice::admin {

enum class FieldKind : uint8_t {
  kText,
  kInteger,  // 0 or more.
  kNumber,
  kBoolean,
  kTime,      // RFC 3339.
  kDuration,  // "24h".
  kTexts,     // An array of strings.
  kObject,    // Any members.
  kRecord,    // An object with `fields`.
  kRecords,   // An array of such.
};

// A member of a body or of an answer, or a parameter of the query.
struct Field {
  std::string_view name;
  FieldKind kind = FieldKind::kText;
  std::string_view purpose{};
  // Of what is sent: must be there. Of an answer: is never null. What is not needed may be null.
  bool is_needed = false;
  std::span<const Field> fields{};
  std::span<const std::string_view> choices{};  // Of kText, when there are few.
};

// Whom a call is for. Keys that are read_only get only GETs of it.
enum class Rights : uint8_t {
  kAnybody,  // Any key for admin calls.
  kScoped,   // Any, each within what belongs to its organisation or team (D4).
  kGateway,  // None that has an organisation or team: it concerns all of them.
};

// For the audit log, of calls whose change is not one of the store's own.
struct AuditNote {
  std::string object;
  std::string before;  // JSON objects, or "".
  std::string after;
};

struct Route;

// A request that was let through: its texts are decoded, its members known and of the right kind.
struct Call {
  const AdminParts& parts;
  const control::SmallRequest& request;
  const Route& route;
  Caller caller;
  std::vector<std::string> places{};  // What stands for each {name} of the path.
  json::Value query{};                // Objects, empty ones when there is nothing.
  json::Value body{};
  AuditNote note{};
};

struct Route {
  http::Method method = http::Method::kGet;
  // Segments of the form {name} stand for any one, those of the form {name...} for one or more.
  std::string_view path;
  std::string_view purpose;
  Rights rights = Rights::kScoped;
  // Suspends. `call` lives until the task completes.
  Task<control::SmallAnswer> (*run)(Call& call) = nullptr;
  std::span<const Field> query{};
  std::span<const Field> body{};
  std::span<const Field> answer{};
  uint16_t status = 200;         // Of success.
  bool is_remembered = false;    // Heeds an Idempotency-Key; see store_call.h.
  std::string_view action = {};  // Written to the audit log after it; "" when the store does that.
  bool is_noted_first = false;   // Before it instead, as done: nothing can be noted after it.

  [[nodiscard]] bool changes() const noexcept { return method != http::Method::kGet; }
};

// Why a request is refused before it does anything.
struct Refusal {
  uint16_t status = 400;
  std::string_view code = "invalid_request";  // Static storage.
  std::string message;                        // A sentence with cause and remedy.
  std::string param;                          // The field, "" when it is none.
};
[[nodiscard]] control::SmallAnswer answer_of(const Refusal& refusal);

}  // namespace sluice::admin
