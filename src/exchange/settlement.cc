#include "settlement.h"

#include <algorithm>

#include <fmt/format.h>

#include <sluice/usage/price.h>

#include "phase_scripts.h"

namespace sluice::exchange {
namespace {

constexpr size_t kRequestIdMax = 128;

telemetry::Protocol protocol_of(http::Version version) noexcept {
  switch (version) {
    case http::Version::kHttp10: return telemetry::Protocol::kHttp10;
    case http::Version::kHttp11: return telemetry::Protocol::kHttp11;
    case http::Version::kHttp2: break;
  }
  return telemetry::Protocol::kHttp2;
}

// What a client may put into our log and headers as the request's id.
bool is_request_id(std::string_view text) noexcept {
  if (text.empty() || text.size() > kRequestIdMax) return false;
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

uint64_t us(Duration duration) noexcept {
  return static_cast<uint64_t>(std::chrono::duration_cast<microseconds>(duration).count());
}

// Refused for the key itself, or for who has it.
bool is_of_key(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidApiKey:
    case ErrorCode::kKeyBlocked:
    case ErrorCode::kKeyExpired:
    case ErrorCode::kKeyNotYetValid:
    case ErrorCode::kWrongKeyType:
    case ErrorCode::kAddressNotAllowed: return true;
    default: return false;
  }
}

metrics::UsageSource source_of(usage::UsageSource source) noexcept {
  switch (source) {
    case usage::UsageSource::kReported: return metrics::UsageSource::kReported;
    case usage::UsageSource::kCounted: return metrics::UsageSource::kCounted;
    case usage::UsageSource::kUnknown: break;
  }
  return metrics::UsageSource::kUnknown;
}

usage::SpendSource spend_source_of(usage::UsageSource source) noexcept {
  switch (source) {
    case usage::UsageSource::kReported: return usage::SpendSource::kReported;
    case usage::UsageSource::kCounted: return usage::SpendSource::kCounted;
    case usage::UsageSource::kUnknown: break;
  }
  return usage::SpendSource::kUnknown;
}

}  // namespace

std::optional<Error> error_of(relay::RelayEnd end) noexcept {
  using relay::RelayEnd;
  switch (end) {
    case RelayEnd::kFinished: return std::nullopt;
    case RelayEnd::kUpstreamLost:
      return Error{ErrorCode::kUpstreamLost, Side::kUpstream, Retry::kNever, "cut mid-answer"};
    case RelayEnd::kUpstreamMalformed:
      return Error{ErrorCode::kUpstreamProtocol, Side::kUpstream, Retry::kNever, "bad framing"};
    case RelayEnd::kUpstreamStalled:
      return Error{ErrorCode::kUpstreamStalled, Side::kUpstream, Retry::kNever, "no bytes"};
    case RelayEnd::kUpstreamDiffers:
      return Error{ErrorCode::kUpstreamLost, Side::kUpstream, Retry::kNever, "resumed otherwise"};
    case RelayEnd::kFirstTokenLate:
      return Error{ErrorCode::kFirstTokenTimeout, Side::kUpstream, Retry::kNever, "no content"};
    case RelayEnd::kTotalLate:
      return Error{ErrorCode::kTotalTimeout, Side::kUpstream, Retry::kNever, "not whole in time"};
    case RelayEnd::kTapEnded:
      return Error{ErrorCode::kInsufficientQuota, Side::kDownstream, Retry::kNever,
                   "a limit's end"};
    case RelayEnd::kDownstreamLost:
      return Error{ErrorCode::kDownstreamLost, Side::kDownstream, Retry::kNever, "client left"};
    case RelayEnd::kDownstreamStalled:
      return Error{ErrorCode::kDownstreamStalled, Side::kDownstream, Retry::kNever, "no ACK"};
    case RelayEnd::kDraining:
      return Error{ErrorCode::kDraining, Side::kSelf, Retry::kNever, "cut by the drain"};
  }
  return std::nullopt;
}

Settlement::Settlement(Services& services, Generation& generation, const http::RequestHead& head,
                       http::ResponseSink& client, MonoTime began_at) noexcept
    : services_(services),
      generation_(generation),
      head_(head),
      client_(client),
      began_at_(began_at) {
  services_.cells.requests_in_flight.add();
  record_.at = services_.ring.wall();
  record_.protocol = protocol_of(head.version);
}

void Settlement::note_request(Endpoint endpoint, std::string_view client_request_id) noexcept {
  phase_ = metrics::Phase::kIdentify;
  record_.endpoint = endpoint;
  is_forwarded_ = is_forwarded(endpoint);
  if (is_request_id(client_request_id)) {
    record_.request_id.assign(client_request_id);
  } else {
    record_.request_id.assign(services_.random.next_request_id().text());
  }
}

void Settlement::note_identity(const Identity& identity) noexcept {
  phase_ = metrics::Phase::kAdmit;
  const config::Snapshot& config = generation_.config;
  const auth::Principal& principal = identity.principal;
  if (identity.caller != nullptr) {
    record_.key.assign(identity.caller->id());
    record_.tenant.assign(identity.caller->tenant_name());
    caller_ = CallerPin(identity.caller);
  } else {
    if (!principal.is_anonymous()) record_.key.assign(config.key(principal.key).name);
    record_.tenant.assign(config.tenants[principal.tenant.value].name);
  }
  record_.weight = principal.weight;
  share_ = identity.share();
}

void Settlement::note_model(ModelId model, bool is_stream) noexcept {
  phase_ = metrics::Phase::kRoute;
  model_ = model;
  record_.model.assign(generation_.config.model(model).name);
  record_.is_stream = is_stream;
}

void Settlement::note_limits(const limit::Decision& decision) noexcept {
  const auto count = [this](const config::LimitRule& rule, metrics::LimitMode mode) {
    const std::vector<config::LimitRule>& rules = generation_.config.limit_rules;
    const auto first = std::less_equal<>()(rules.data(), &rule);
    if (first && std::less<>()(&rule, rules.data() + rules.size())) {
      const auto index = static_cast<uint32_t>(&rule - rules.data());
      generation_.cells.limit(LimitId{index}).refused[mode].add();
    } else {
      services_.cells.key_limit_refused[mode].add();
    }
    record_.limit.assign(rule.name);
  };
  // Who asks the ledger is judged once more.
  const bool is_final = decision.verdict != limit::Decision::Verdict::kAskLedger;
  if (decision.dry != nullptr && is_final) count(*decision.dry, metrics::LimitMode::kDry);
  if (decision.is_first_dry && decision.dry->is_soft) {
    services_.log.write(LogLevel::kWarn, "limits",
                        fmt::format("the soft budget `{}` is spent; key `{}`, tenant `{}`",
                                    decision.dry->name, record_.key.view(), record_.tenant.view()));
  }
  if (decision.verdict == limit::Decision::Verdict::kRefused) {
    count(*decision.rule, metrics::LimitMode::kEnforced);
  }
}

void Settlement::note_wait(Duration waited, limit::WaitQueue& queue, uint64_t tokens) noexcept {
  waited_ += waited;
  queue_ = &queue;
  charged_tokens_ = tokens;
  record_.queue_us = static_cast<uint32_t>(us(waited_));
}

void Settlement::begin_attempt(UpstreamId upstream, bool fresh) noexcept {
  phase_ = metrics::Phase::kSend;
  if (fresh) {
    generation_.cells.upstream(upstream).reuse_races.add();
  } else if (++record_.attempts > 1) {
    services_.cells.upstream_retries.add();
  }
  record_.upstream.assign(generation_.config.upstream(upstream).name);
  if (record_.attempts == 1 && !fresh) {
    record_spend(usage::SpendKind::kOpened);
    overhead_ = services_.ring.clock().now() - body_read_at_ - waited_;
  }
}

void Settlement::end_attempt(Attempt& attempt) noexcept {
  note_upstream_traffic(attempt.take_traffic());
  if (attempt.connect_time() > Duration::zero()) {
    record_.connect_us = static_cast<uint32_t>(us(attempt.connect_time()));
  }
}

void Settlement::note_answer(const http::ResponseHead& head, bool is_event_stream,
                             const config::Route& route, ModelId served) noexcept {
  phase_ = metrics::Phase::kRelay;
  has_reached_ = true;
  if (served != model_) record_.served_model.assign(generation_.config.model(served).name);
  route_ = &route;
  record_.status = head.status;
  record_.is_stream = is_event_stream;
  record_.upstream.assign(generation_.config.upstream(route.upstream).name);
}

void Settlement::note_relay(const relay::RelayResult& result) noexcept {
  first_byte_at_ = std::min(first_byte_at_, result.first_byte_at);
  usage_.partial = usage_.partial || result.end != relay::RelayEnd::kFinished;
  error_ = error_of(result.end);
  if (result.end == relay::RelayEnd::kDownstreamLost) {
    // The upstream was cut in the turn in which the leaving was seen; the clock tells how long
    // that turn took so far.
    services_.cells.client_gone_to_upstream_closed.record(services_.ring.clock().now() -
                                                          result.gone_at);
  }
}

void Settlement::note_upstream_traffic(net::Traffic traffic) noexcept {
  services_.cells.bytes_received[metrics::PeerSide::kUpstream].add(traffic.received);
  services_.cells.bytes_sent[metrics::PeerSide::kUpstream].add(traffic.sent);
}

bool Settlement::client_has_left() const noexcept {
  return error_ && (error_->code == ErrorCode::kDownstreamLost ||
                    error_->code == ErrorCode::kDownstreamStalled);
}

void Settlement::settle_usage() noexcept {
  const bool is_due = is_forwarded_ && generation_.config.usage_accounting && route_ != nullptr &&
                      record_.status == 200;
  if (!is_due) return;
  const metrics::UsageSource source = source_of(usage_.source);
  record_.usage_source = source;
  record_.usage_partial = usage_.partial;
  record_.input_tokens = usage_.input;
  record_.output_tokens = usage_.output;
  record_.cached_tokens = usage_.cached;
  record_.reasoning_tokens = usage_.reasoning;
  if (route_->price) record_.cost_micro_dollars = usage::cost_micro_dollars(usage_, *route_->price);

  metrics::ModelCells& cells = generation_.cells.model(model_);
  cells.tokens[metrics::TokenType::kInput].add(usage_.input.value_or(0));
  cells.tokens[metrics::TokenType::kOutput].add(usage_.output.value_or(0));
  cells.tokens[metrics::TokenType::kCached].add(usage_.cached.value_or(0));
  cells.tokens[metrics::TokenType::kReasoning].add(usage_.reasoning.value_or(0));
  const uint64_t used = usage_.input.value_or(0) + usage_.output.value_or(0);
  if (queue_ != nullptr && used > 0) {
    queue_->correct(share_, record_.priority, record_.weight, charged_tokens_, used);
  }
  learn();
  services_.cells.usage[source].add();
  if (usage_.partial) services_.cells.usage_partial.add();
}

// What is not known counts as it was estimated: a client that leaves early, or an upstream that
// says nothing, must not make requests free.
limit::Use Settlement::used() const noexcept {
  const bool has_answer = route_ != nullptr && record_.status == 200;
  if (!has_answer && !client_has_left()) return {};
  limit::Use use{.input_tokens = demand_.input_tokens};
  if (usage_.input) use.input_tokens = static_cast<int64_t>(*usage_.input);
  if (usage_.output) {
    use.output_tokens = static_cast<int64_t>(*usage_.output);
  } else if (has_answer && !client_has_left()) {
    use.output_tokens = demand_.output_tokens[static_cast<size_t>(config::Reserve::kP95)];
  }
  if (route_ != nullptr && route_->price) {
    use.micro_dollars = record_.cost_micro_dollars.value_or(
        usage::cost_micro_dollars({.input = static_cast<uint64_t>(use.input_tokens),
                                   .output = static_cast<uint64_t>(use.output_tokens)},
                                  *route_->price)
            .value_or(0));
  }
  return use;
}

// How far the estimates were off, for the next ones.
void Settlement::learn() noexcept {
  if (usage_.source != usage::UsageSource::kReported || usage_.partial) return;
  ModelFlow& flow = *generation_.flows[model_.value];
  if (usage_.output) flow.outputs.observe(*usage_.output);
  if (prompt_estimate_ == 0 || !usage_.input || *usage_.input == 0) return;
  generation_.cells.model(model_).record_prompt_error(
      usage::estimate_error(flow.prompts.apply(prompt_estimate_), *usage_.input));
  flow.prompts.observe(prompt_estimate_, *usage_.input);
}

void Settlement::settle_limits() noexcept {
  address_reservation_.settle({}, services_.ring.now());
  if (reservation_.is_empty()) return;
  // Nobody has got it: no attempt was made, or none found an open door.
  if (!has_reached_ && !client_has_left()) return services_.limiter.cancel(reservation_);
  services_.limiter.settle(reservation_, used(), services_.ring.now());
}

usage::SpendRecord Settlement::begin_spend(usage::SpendKind kind) const noexcept {
  usage::SpendRecord record{.at = services_.ring.wall(), .began = record_.at, .kind = kind};
  record.is_stream = record_.is_stream;
  record.endpoint = record_.endpoint;
  record.request_id.assign(record_.request_id.view());
  record.key.assign(record_.key.view());
  record.tenant.assign(record_.tenant.view());
  if (caller_) {
    record.organisation.assign(caller_->organisation());
    record.team.assign(caller_->team());
    record.user.assign(caller_->user());
  }
  record.model.assign(record_.model.view());
  record.served_model.assign(record_.served_model.view());
  record.upstream.assign(record_.upstream.view());
  return record;
}

// What was used as far as anybody knows, and flagged as an estimate where the upstream did not say.
void Settlement::fill_spend(usage::SpendRecord& record) const noexcept {
  const MonoTime now = services_.ring.now();
  record.status = record_.status;
  if (error_) record.error = error_->code;
  record.duration_us = us(now - began_at_);
  if (record_.is_stream && first_byte_at_ != MonoTime::max()) {
    record.ttft_us = us(first_byte_at_ - began_at_);
  }
  record.source = spend_source_of(usage_.source);
  record.is_partial = usage_.partial;
  record.input_tokens = usage_.input;
  record.output_tokens = usage_.output;
  record.cached_tokens = usage_.cached;
  record.reasoning_tokens = usage_.reasoning;
  const limit::Use use = used();
  // What got no answer costs nothing; what has no price has no cost that is known.
  const bool has_answer = route_ != nullptr && record_.status == 200;
  if (!has_answer || route_->price) {
    record.cost_micro_dollars = static_cast<uint64_t>(use.micro_dollars);
  }
  if (!has_answer || record.source == usage::SpendSource::kReported) return;
  if (record.source == usage::SpendSource::kUnknown) {
    record.source = usage::SpendSource::kEstimated;
  }
  if (!record.input_tokens) record.input_tokens = static_cast<uint64_t>(use.input_tokens);
  if (!record.output_tokens) record.output_tokens = static_cast<uint64_t>(use.output_tokens);
}

void Settlement::record_spend(usage::SpendKind kind) noexcept {
  if (services_.spend == nullptr) return;
  usage::SpendRecord record = begin_spend(kind);
  if (kind == usage::SpendKind::kOpened) {
    spend_exchange_ = usage::SpendRecord::make_exchange(
        static_cast<uint16_t>(services_.shard.value), ++services_.exchanges);
    constexpr auto kUsual = static_cast<size_t>(config::Reserve::kP95);
    record.input_tokens = static_cast<uint64_t>(demand_.input_tokens);
    record.output_tokens = static_cast<uint64_t>(demand_.output_tokens[kUsual]);
    if (demand_.micro_dollars[kUsual] > 0) {
      record.cost_micro_dollars = static_cast<uint64_t>(demand_.micro_dollars[kUsual]);
    }
  } else {
    fill_spend(record);
  }
  record.exchange = spend_exchange_;
  services_.spend->push(record);
  if (services_.control_ring != nullptr && services_.spend->is_due())
    services_.control_ring->wake();
}

void Settlement::settle_metrics(Duration duration) noexcept {
  metrics::ShardCells& shard = services_.cells;
  metrics::ModelCells& cells = generation_.cells.model(model_);
  cells.count_request(record_.endpoint, record_.status);
  if (model_.is_valid()) cells.request_duration.record(duration);
  if (record_.is_stream && first_byte_at_ != MonoTime::max()) {
    cells.time_to_first_token.record(first_byte_at_ - began_at_);
  }
  if (record_.attempts > 0) shard.overhead.record(overhead_);
  if (error_) shard.errors[error_->code].add();
  if (error_ && error_->code == ErrorCode::kDownstreamStalled) {
    shard.slow_clients[metrics::SlowClient::kAnswer].add();
  }
  if (error_ && is_of_key(error_->code)) shard.auth_failures.add();
  if (client_has_left()) shard.client_disconnects[phase_].add();
  shard.requests_in_flight.sub();
}

// Of requests for a model; the others never came to where scripts are asked.
void Settlement::ask_on_response(Duration duration) {
  const bool is_due = model_.is_valid() && generation_.scripts->has(script::HookKind::kOnResponse);
  if (!is_due) return;
  const auto number = [](const std::optional<uint64_t>& value) {
    return value ? static_cast<int64_t>(*value) : int64_t{-1};
  };
  const script::ResponseView response{
      .status = record_.status,
      .latency_ms = std::chrono::duration_cast<milliseconds>(duration).count(),
      .upstream = record_.upstream.view(),
      .model = generation_.config.model(model_).name,
      .input_tokens = number(record_.input_tokens),
      .output_tokens = number(record_.output_tokens)};
  const std::string fields = tell_on_response(services_, generation_, head_, *this, response);
  // Whole or not at all: a cut object would be no JSON.
  if (fields.size() <= record_.script_fields.kBytesMax) record_.script_fields.assign(fields);
}

Settlement::~Settlement() {
  const MonoTime now = services_.ring.now();
  const Duration duration = now - began_at_;
  // A client that left before an answer began has got no status; 499 stands for it in the log.
  if (client_has_left() && route_ == nullptr) record_.status = 499;
  const net::Traffic traffic = client_.take_traffic();
  record_.bytes_in = traffic.received;
  record_.bytes_out = traffic.sent;
  services_.cells.bytes_received[metrics::PeerSide::kDownstream].add(traffic.received);
  services_.cells.bytes_sent[metrics::PeerSide::kDownstream].add(traffic.sent);
  settle_usage();
  settle_limits();
  if (spend_exchange_ != 0) record_spend(usage::SpendKind::kSettled);
  settle_metrics(duration);
  if (!generation_.config.access_log.enabled) return;
  if (generation_.scripts != nullptr) ask_on_response(duration);
  record_.duration_us = us(duration);
  if (record_.is_stream && first_byte_at_ != MonoTime::max())
    record_.ttft_us = us(first_byte_at_ - began_at_);
  record_.overhead_us = us(overhead_);
  if (error_) {
    record_.error = error_->code;
    record_.error_detail = error_->detail;
  }
  record_.client_disconnected = client_has_left();
  services_.records.push(record_);
  if (services_.control_ring != nullptr && services_.records.is_due()) {
    services_.control_ring->wake();
  }
}

}  // namespace sluice::exchange
