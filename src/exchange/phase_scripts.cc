#include "phase_scripts.h"

#include <algorithm>
#include <array>

#include <sluice/auth/record_fields.h>
#include <sluice/exchange/scripts.h>
#include <sluice/json/value.h>
#include <sluice/json/writer.h>
#include <sluice/telemetry/ip_text.h>

namespace sluice::exchange {
namespace {

using script::HookKind;
using script::HookOutcome;
using Verdict = HookOutcome::Verdict;

// Those that carry secrets no script sees.
bool is_secret(http::HeaderName name) noexcept {
  switch (name) {
    case http::HeaderName::kAuthorization:
    case http::HeaderName::kApiKey:
    case http::HeaderName::kXApiKey:
    case http::HeaderName::kCookie:
    case http::HeaderName::kProxyAuthorization: return true;
    default: return false;
  }
}

// What a script may send upstream: neither framing nor credentials, which are not its business.
bool may_send(const std::string& name, const std::string& value) noexcept {
  const http::HeaderName id = http::header_name(name);
  switch (id) {
    case http::HeaderName::kConnection:
    case http::HeaderName::kContentEncoding:
    case http::HeaderName::kContentLength:
    case http::HeaderName::kContentType:
    case http::HeaderName::kExpect:
    case http::HeaderName::kHost:
    case http::HeaderName::kKeepAlive:
    case http::HeaderName::kTe:
    case http::HeaderName::kTrailer:
    case http::HeaderName::kTransferEncoding:
    case http::HeaderName::kUpgrade:
    case http::HeaderName::kXRequestId:
    case http::HeaderName::kXSluicePriority: return false;
    default: break;
  }
  const auto is_token = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  const auto is_printable = [](char c) { return c >= ' ' && c <= '~'; };
  return !is_secret(id) && !name.starts_with("proxy-") && !name.empty() &&
         std::ranges::all_of(name, is_token) && std::ranges::all_of(value, is_printable);
}

// The views of one request. Lives while a script runs.
class Sight {
 public:
  Sight(Services& services, const http::RequestHead& head, Settlement& settlement) noexcept {
    if (settlement.client_address()) address_ = telemetry::ip_text(*settlement.client_address());
    for (const http::HeaderField& field : head.headers) {
      if (count_ == fields_.size()) break;
      if (!is_secret(field.id)) fields_[count_++] = {field.name, field.value};
    }
    view = {.method = http::to_string(head.method),
            .path = head.path,
            .client_address = address_.view(),
            .request_id = settlement.request_id(),
            .headers = {fields_.data(), count_},
            .now = services.ring.wall()};
  }

  void show(const Identity& identity, const config::Snapshot& config) noexcept {
    if (const Caller* caller = identity.caller) {
      show(*caller);
    } else if (!identity.is_anonymous()) {
      view.key_id = view.key_name = config.key(identity.principal.key).name;
      view.tenant = config.tenants[identity.principal.tenant.value].name;
    }
  }
  void show(const Caller& caller) noexcept {
    view.key_id = caller.id();
    view.key_name = caller.name();
    view.tenant = caller.tenant_name();
    view.user = caller.user();
    view.metadata = caller.metadata();
  }
  // Once the identity is gone.
  void show(const Settlement& settlement) noexcept {
    view.key_id = view.key_name = settlement.key();
    view.tenant = settlement.tenant();
    if (const Caller* caller = settlement.caller()) show(*caller);
    show_metadata(settlement);
  }
  // What on_auth has made of it.
  void show_metadata(const Settlement& settlement) noexcept {
    if (!settlement.metadata().empty()) view.metadata = settlement.metadata();
  }
  // "sk-abcd...": enough to tell keys apart, nothing to call with.
  void show_secret(std::string_view secret) noexcept {
    constexpr size_t kShown = 7;
    if (secret.size() < 3 * kShown) return;
    std::copy_n(secret.data(), kShown, masked_.data());
    std::copy_n("...", 3, masked_.data() + kShown);
    view.api_key = {masked_.data(), kShown + 3};
  }

  script::RequestView view;

 private:
  std::array<script::Field, 100> fields_;
  size_t count_ = 0;
  BoundedText<45> address_;
  std::array<char, 16> masked_{};
};

metrics::HookOutcome outcome_of(Verdict verdict) noexcept {
  return static_cast<metrics::HookOutcome>(verdict);
}

HookOutcome run_counted(Services& services, Scripts& scripts, HookKind kind, const uint32_t* source,
                        const script::RequestView& request,
                        const script::ResponseView* response = nullptr) {
  const MonoTime began_at = services.ring.clock().now();
  HookOutcome outcome = scripts.run(kind, source, request, response);
  services.cells.hook_time.record(services.ring.clock().now() - began_at);
  services.cells.hook_runs[static_cast<size_t>(kind)][outcome_of(outcome.verdict)].add();
  for (const std::string& line : outcome.log_lines) {
    services.log.write(LogLevel::kInfo, "script", line);
  }
  const bool has_failed = outcome.verdict >= Verdict::kError;
  if (has_failed) services.log.write(LogLevel::kWarn, "script", outcome.message);
  return outcome;
}

// Refuses what the outcome, or the hook's rule for failures, refuses.
Outcome<void> judge(HookOutcome& outcome, const config::HookSettings& hook,
                    Settlement& settlement) {
  if (outcome.verdict == Verdict::kRefuse) {
    const std::string_view message = settlement.keep_message(std::move(outcome.message));
    return std::unexpected(
        Refusal{{ErrorCode::kScriptRefused, Side::kDownstream, Retry::kNever, "a script refused"},
                {.message = message}});
  }
  if (outcome.verdict >= Verdict::kError && hook.on_error == config::HookFailure::kRefuse) {
    return std::unexpected(
        Refusal{{ErrorCode::kScriptFailed, Side::kSelf, Retry::kNever, "a script failed"}, {}});
  }
  return {};
}

// Both are objects; members of the second go before those of the first.
std::string merge_objects(std::string_view first, std::string_view second) {
  const auto read = [](std::string_view text) -> json::Object {
    const auto value = json::parse_value(text);
    return value && value->as_object() != nullptr ? *value->as_object() : json::Object();
  };
  json::Object merged = read(second);
  for (json::Member& member : read(first)) {
    const bool is_there =
        std::ranges::find(merged, member.name, &json::Member::name) != merged.end();
    if (!is_there) merged.push_back(std::move(member));
  }
  std::string text;
  json::Value(std::move(merged)).write(text);
  return text;
}

Outcome<void> fail_script(std::string_view why) {
  return std::unexpected(Refusal{{ErrorCode::kScriptFailed, Side::kSelf, Retry::kNever, why}, {}});
}

// Another model, if scripts may say so; one that the key may use all the same.
Outcome<void> turn_to(const std::string& name, Generation& generation, Admission& admission,
                      Settlement& settlement) {
  const config::Snapshot& config = generation.config;
  if (!config.scripts.may_route) return fail_script("scripts.may_route is off");
  const ModelId model = config.find_model(name);
  const bool is_plain = model.is_valid() && config.model(model).name.find('*') == std::string::npos;
  if (!is_plain) return fail_script("a script names an unknown model");
  if (!admission.identity.may_use(config, model, name)) {
    return fail_script("a script names a model that the key may not use");
  }
  admission.model = model;
  admission.wild = {};
  settlement.note_model(model, admission.envelope.stream);
  return {};
}

Outcome<void> apply(HookOutcome& outcome, Generation& generation, Admission& admission,
                    Settlement& settlement) {
  for (auto& [name, value] : outcome.headers) {
    if (!may_send(name, value)) return fail_script("a script sets a header that it may not set");
  }
  admission.wishes.headers = std::move(outcome.headers);
  for (const std::string& tag : outcome.tags) {
    if (!generation.config.scripts.may_route) return fail_script("scripts.may_route is off");
    admission.wishes.tags += (admission.wishes.tags.empty() ? "" : ",") + tag;
  }
  if (outcome.priority >= 0) {
    const Identity& identity = admission.identity;
    const auto most = identity.is_anonymous() ? UINT8_MAX : identity.principal.priority_max;
    admission.priority = static_cast<uint32_t>(std::min<int64_t>(outcome.priority, most));
    settlement.note_priority(admission.priority);
  }
  if (outcome.model.empty()) return {};
  return turn_to(outcome.model, generation, admission, settlement);
}

}  // namespace

Outcome<void> ask_on_auth(Services& services, Generation& generation, const http::RequestHead& head,
                          const Identity& identity, Settlement& settlement) {
  Sight sight(services, head, settlement);
  sight.show(identity, generation.config);
  HookOutcome outcome =
      run_counted(services, *generation.scripts, HookKind::kOnAuth, nullptr, sight.view);
  if (!outcome.metadata.empty()) {
    settlement.keep_metadata(merge_objects(sight.view.metadata, outcome.metadata));
  }
  return judge(outcome, *generation.config.scripts.on_auth, settlement);
}

Outcome<void> ask_on_request(Services& services, Generation& generation,
                             const http::RequestHead& head, Admission& admission,
                             Settlement& settlement) {
  Sight sight(services, head, settlement);
  sight.show(admission.identity, generation.config);
  sight.show_metadata(settlement);
  sight.view.model = generation.config.model(admission.model).name;
  sight.view.is_stream = admission.envelope.stream;
  HookOutcome outcome =
      run_counted(services, *generation.scripts, HookKind::kOnRequest, nullptr, sight.view);
  const config::HookSettings& hook = *generation.config.scripts.on_request;
  if (auto judged = judge(outcome, hook, settlement); !judged) return judged;
  if (outcome.verdict >= Verdict::kError) return {};
  return apply(outcome, generation, admission, settlement);
}

std::string tell_on_response(Services& services, Generation& generation,
                             const http::RequestHead& head, Settlement& settlement,
                             const script::ResponseView& response) {
  Sight sight(services, head, settlement);
  sight.show(settlement);
  sight.view.model = response.model;
  const HookOutcome outcome = run_counted(services, *generation.scripts, HookKind::kOnResponse,
                                          nullptr, sight.view, &response);
  std::string fields;
  if (outcome.log_fields.empty()) return fields;
  json::Writer writer(fields);
  writer.begin_object();
  for (const auto& [name, value] : outcome.log_fields) writer.key(name).string(value);
  writer.end_object();
  return fields;
}

auth::Verdict ScriptDecider::decide(uint32_t source, const auth::FoundKey* so_far,
                                    const auth::AnsweredKey** said) {
  Sight sight(services_, head_, settlement_);
  sight.show_secret(secret_);
  if (so_far != nullptr) {
    sight.view.key_id = so_far->id;
    sight.view.key_name = so_far->name;
    sight.view.data = sight.view.metadata = so_far->terms->metadata;
  }
  HookOutcome outcome =
      run_counted(services_, *generation_.scripts, HookKind::kOnAuth, &source, sight.view);
  switch (outcome.verdict) {
    case Verdict::kPass: return auth::Verdict::kPass;
    case Verdict::kAllow: break;
    default: return auth::Verdict::kDeny;
  }
  const std::string& name = generation_.config.auth.sources[source].name;
  auth::RecordFields fields(name, crypto::sha256(secret_));
  if (!outcome.metadata.empty()) {
    const auto value = json::parse_value(outcome.metadata);
    if (!value || !fields.set_all(*value)) return auth::Verdict::kDeny;
  }
  auto record = fields.finish();
  if (!record) return auth::Verdict::kDeny;
  // What another script has said before may be what the chain goes on with: it is not replaced.
  if (so_far != nullptr) return auth::Verdict::kAllow;
  said_ = std::make_unique<auth::AnsweredKey>(std::move(*record));
  *said = said_.get();
  return auth::Verdict::kAllow;
}

}  // namespace sluice::exchange
