#include <array>
#include <utility>

#include "config_answers.h"
#include "fields.h"
#include "rows.h"

namespace sluice::admin {
namespace {

constexpr std::array<Field, 1> kExpected = {
    {{.name = "expected_checksum",
      .purpose = "SHA-256 of the file's text that is meant; another text is refused."}}};

Task<control::SmallAnswer> reload(Call& call) {
  const std::string& expected = text_of(call.body, "expected_checksum");
  control::ReloadOutcome outcome;
  if (call.parts.config != nullptr) {
    control::ReloadRequest request;
    request.asked_by = call.caller.actor.name;
    request.expected_checksum = expected;
    outcome = co_await call.parts.config->reload(std::move(request));
  } else {
    outcome = co_await call.parts.operations.reload(call.caller.actor.name);
  }
  co_return reload_answer(call, outcome);
}

constexpr std::array<Route, 1> kRows = {
    {{.method = http::Method::kPost,
      .path = "/v1/reload",
      .purpose = "Reads the configuration anew, as SIGHUP does.",
      .rights = Rights::kGateway,
      .run = reload,
      .body = kExpected,
      .answer = kReloadedFields,
      .action = "config.reload"}}};

}  // namespace

std::span<const Route> reload_rows() { return kRows; }

}  // namespace sluice::admin
