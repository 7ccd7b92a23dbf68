#include <algorithm>
#include <charconv>

#include "phases.h"

namespace sluice::exchange {
namespace {

// Bodies above this size do not keep the parser's memory for the next ones.
constexpr size_t kUsualBodyMax = 1024 * 1024;

// The client's wish, capped by what its key may ask for; 0 is the lowest.
uint32_t read_priority(const http::RequestHead& head, const Identity& identity) noexcept {
  const std::string_view text = head.headers.find(http::HeaderName::kXSluicePriority);
  uint32_t priority = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), priority);
  if (error != std::errc{} || end != text.data() + text.size()) return 0;
  return identity.is_anonymous() ? priority : std::min(priority, identity.principal.priority_max);
}

// English text takes about four bytes a token. What an answer may take is known only when the
// client says so; the line's fairness corrects itself by what was really used.
constexpr uint64_t kBytesPerToken = 4;
constexpr uint64_t kUsualAnswerTokens = 256;

// The part of the client's name for the model that the `*` of the configured name stands for. Empty
// optional when it cannot be told: the name was spelled with escapes.
std::optional<std::string_view> match_wildcard(const config::Model& model, std::string_view body,
                                               const json::Envelope& envelope) noexcept {
  const size_t star = model.name.find('*');
  if (star == std::string::npos) return std::string_view();
  const std::string_view token =
      body.substr(envelope.model_token.offset + 1, envelope.model_token.length - 2);
  if (token != envelope.model) return std::nullopt;
  return token.substr(star, token.size() - (model.name.size() - 1));
}

Outcome<void> read_envelope(Services& services, const config::Snapshot& config,
                            std::string_view body, json::Envelope& out) noexcept {
  // The parser's memory counts like the body's own while it grows.
  BudgetShare share(services.budget);
  const size_t needed = json::EnvelopeReader::memory_needed(body.size());
  const size_t held = services.envelope_reader.memory_bytes();
  if (needed > held && !share.try_resize(needed - held)) {
    return std::unexpected(
        Refusal{{ErrorCode::kOverloaded, Side::kSelf, Retry::kNever, "byte budget is spent"}, {}});
  }
  const auto envelope = services.envelope_reader.read(body, config.limits.json_depth_max);
  services.envelope_reader.release_above(json::EnvelopeReader::memory_needed(kUsualBodyMax));
  if (!envelope) {
    return std::unexpected(Refusal{envelope.error().error, {.param = envelope.error().param}});
  }
  out = *envelope;
  return {};
}

}  // namespace

Outcome<void> admit_body(const Services& services, const http::RequestHead& head) noexcept {
  if (services.is_draining) {
    return std::unexpected(
        Refusal{{ErrorCode::kDraining, Side::kSelf, Retry::kNever, "draining"}, {}});
  }
  if (head.body.kind == http::BodyKind::kNone) {
    return std::unexpected(
        Refusal{{ErrorCode::kLengthRequired, Side::kDownstream, Retry::kNever, "no body"}, {}});
  }
  return {};
}

Outcome<void> admit(Services& services, Generation& generation, const http::RequestHead& head,
                    const Result<std::string_view>& body, const Identity& identity,
                    Settlement& settlement, Admission& admission) {
  const config::Snapshot& config = generation.config;
  if (!body) {
    return std::unexpected(Refusal{body.error(), {.limit = config.limits.body_bytes_max}});
  }
  settlement.note_body();
  admission.body = *body;
  json::Envelope& envelope = admission.envelope;
  if (const Outcome<void> read = read_envelope(services, config, *body, envelope); !read) {
    return std::unexpected(read.error());
  }
  admission.model = config.find_model(envelope.model);
  const ErrorDetails details{.param = "model", .model = envelope.model};
  const auto refuse = [&details](ErrorCode code, std::string_view why) {
    return std::unexpected(Refusal{{code, Side::kDownstream, Retry::kNever, why}, details});
  };
  if (!admission.model.is_valid()) return refuse(ErrorCode::kModelNotFound, "unknown model");
  const config::Model& model = config.model(admission.model);
  const std::optional<std::string_view> wild = match_wildcard(model, *body, envelope);
  if (!wild) return refuse(ErrorCode::kModelNotFound, "a pattern's name with escapes");
  settlement.note_model(admission.model, envelope.stream);
  if (!identity.may_use(config, admission.model, envelope.model)) {
    return refuse(ErrorCode::kModelNotAllowed, "key lacks model");
  }
  if (head.headers.has(http::HeaderName::kXSluiceTimeout)) {
    const auto wishes = parse_timeout_wishes(head.headers.find(http::HeaderName::kXSluiceTimeout));
    if (!wishes) {
      return std::unexpected(Refusal{
          {ErrorCode::kUnsupportedValue, Side::kDownstream, Retry::kNever, "x-sluice-timeout"},
          {.param = "x-sluice-timeout"}});
    }
    admission.timeouts = *wishes;
  }
  admission.wild = *wild;
  admission.identity = identity;
  admission.prompt_tokens = body->size() / kBytesPerToken;
  admission.expected_tokens =
      admission.prompt_tokens + envelope.output_tokens_max().value_or(kUsualAnswerTokens);
  admission.priority = read_priority(head, identity);
  settlement.note_priority(admission.priority);
  const Scripts* const scripts = generation.scripts.get();
  if (scripts != nullptr && scripts->has(script::HookKind::kOnRequest)) {
    const Outcome<void> asked = ask_on_request(services, generation, head, admission, settlement);
    if (!asked) return std::unexpected(asked.error());
  }
  if (has_limits(generation, identity) || services.spend != nullptr) {
    admission.prompt_estimate = usage::estimate_prompt(*body);
    admission.prompt_tokens =
        generation.flows[admission.model.value]->prompts.apply(admission.prompt_estimate);
    admission.demand = demand_of(generation, admission);
    settlement.note_demand(admission.demand, admission.prompt_estimate);
  }
  return {};
}

}  // namespace sluice::exchange
