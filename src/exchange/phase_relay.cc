#include <algorithm>

#include <sluice/usage/resume_filter.h>
#include <sluice/usage/token_tap.h>
#include <sluice/usage/usage_filter.h>

#include "block_room.h"
#include "limit_fields.h"
#include "limit_tap.h"
#include "outgoing.h"

namespace sluice::exchange {
namespace {

constexpr uint16_t kOk = 200;

// Fields of the upstream's answer that are not the client's business, or that we set ourselves.
bool is_withheld(const http::HeaderField& field) noexcept {
  switch (field.id) {
    case http::HeaderName::kContentLength:
    case http::HeaderName::kSetCookie:
    case http::HeaderName::kXRequestId: return true;
    default: return false;
  }
}

bool tells_limits(std::string_view name) noexcept {
  constexpr std::string_view kPrefix = "x-ratelimit-";
  return http::equals_ignoring_case(name.substr(0, kPrefix.size()), kPrefix);
}

// Fields go on as the lines they came in, runs of them together: the parser has found them right.
// The upstream's word on its limits gives way to ours (`has_limits`).
void pass_fields(const http::ResponseHead& head, bool has_limits,
                 http::ResponseSink& client) noexcept {
  const http::ConnectionOptions connection(head.headers);
  const char* run = nullptr;  // Where the lines begin that go on together.
  const auto end_run = [&run, &client](const char* end) {
    if (run != nullptr) client.add_lines({run, static_cast<size_t>(end - run)});
    run = nullptr;
  };
  for (const http::HeaderField field : head.headers) {
    const bool gives_way = has_limits && tells_limits(field.name);
    const bool is_kept = is_withheld(field) || gives_way || is_for_browsers(field);
    if (!is_kept && !http::is_hop_by_hop(field, connection)) {
      if (run == nullptr) run = field.name.data();
      continue;
    }
    end_run(field.name.data());
    if (field.id == http::HeaderName::kXRequestId) {
      client.add_header("x-upstream-request-id", field.value);
    }
  }
  end_run(head.headers.lines_end(head.head_bytes));
}

void write_head(const http::ResponseHead& head, bool is_event_stream, http::BodyFraming framing,
                const HeadLines& lines, const limit::RateLimiter::Views& limits,
                http::ResponseSink& client) noexcept {
  begin_head(client, head.status, head.head_bytes + 512, lines);
  pass_fields(head, limits.requests || limits.tokens, client);
  add_limit_fields(client, limits);
  if (is_event_stream) {
    if (!head.headers.has(http::HeaderName::kCacheControl)) {
      client.add_header("cache-control", "no-cache");
    }
    // Keeps an nginx in front of us from buffering the stream.
    client.add_header("x-accel-buffering", "no");
  }
  client.end_head(framing);
}

// The framing towards the client: a length that still holds is kept, all else is a stream.
http::BodyFraming client_framing(const http::ResponseHead& head, bool is_filtered) noexcept {
  if (head.body.kind == http::BodyKind::kNone) return head.body;
  if (head.body.kind == http::BodyKind::kLength && !is_filtered) return head.body;
  return {.kind = http::BodyKind::kChunked};
}

// Learns the time to the first token when it comes: a stream may last for minutes.
class FirstTokenNote final : public relay::ContentListener {
 public:
  FirstTokenNote(Deployment& deployment, MonoTime sent_at) noexcept
      : deployment_(deployment), sent_at_(sent_at) {}
  void on_content(MonoTime now) noexcept override {
    deployment_.stats.first_token.note(now - sent_at_, now);
    deployment_.publish_stats();
  }

 private:
  Deployment& deployment_;
  MonoTime sent_at_;
};

// For the limits of the deployment, which count what it was asked for and what it gave.
limit::Use used(const Search& search, const usage::Usage& usage) noexcept {
  const limit::Demand& demand = search.admission().demand;
  return {.input_tokens = static_cast<int64_t>(
              usage.input.value_or(static_cast<uint64_t>(demand.input_tokens))),
          .output_tokens = static_cast<int64_t>(usage.output.value_or(0))};
}

// What the whole answer says about its deployment. One that failed was judged before.
void end_seat(Search& search, Answer& answer, const relay::RelayResult& result, MonoTime sent_at,
              bool is_event_stream) noexcept {
  if (!answer.seat.is_open()) return;
  const MonoTime now = search.services().ring.now();
  resilience::AttemptEnd end{.error = error_of(result.end), .status = kOk};
  Deployment& deployment = answer.seat.deployment();
  if (end.error) {
    end.had_short_clock = had_short_clock(end.error->code, answer.route->timeouts, answer.timeouts,
                                          now - answer.seat.opened_at());
  } else if (!is_event_stream) {
    deployment.stats.whole.note(now - sent_at, now);
    deployment.publish_stats();
  }
  answer.seat.end(outcome_of(end), judge(search, answer, end), now);
}

void note_tokens(Search& search, UpstreamId upstream, const usage::Usage& usage) noexcept {
  const uint64_t tokens = usage.input.value_or(0) + usage.output.value_or(0);
  if (tokens == 0) return;
  Deployment& deployment = *search.generation().deployments[upstream.value];
  deployment.stats.note_tokens(tokens, search.services().ring.now());
  deployment.cells.tokens.add(tokens);
}

// A stream whose text can be followed, so that another attempt can go on with it.
bool may_resume(const Search& search, const http::ResponseHead& head) noexcept {
  const config::Model& model = search.generation().config.model(search.model());
  return model.recovery.mode != config::RecoveryMode::kOff && is_event_stream(head) &&
         head.status == kOk && has_stream_options(search.endpoint()) &&
         !head.headers.has(http::HeaderName::kContentEncoding);
}

usage::ResumeMode resume_mode(const config::RecoverySettings& settings) noexcept {
  return settings.mode == config::RecoveryMode::kAppend ? usage::ResumeMode::kAppend
                                                        : usage::ResumeMode::kRetry;
}

// What looks at the body on its way: counts tokens, hides the usage that the client did not ask
// for, follows the text of a stream that may be resumed. Over all attempts of the exchange.
class Watchers {
 public:
  Watchers(Services& services, bool is_stream, bool hides_usage, bool may_resume,
           const config::RecoverySettings& recovery) noexcept
      : event_room_(services.blocks),
        object_room_(services.blocks),
        ledger_room_(services.blocks),
        tap(services.field_reader,
            is_stream ? usage::BodyKind::kEventStream : usage::BodyKind::kJson, event_room_,
            object_room_),
        usage_filter_(services.field_reader, tap.plain_events()),
        resume_filter(services.field_reader, resume_mode(recovery),
                      hides_usage ? &usage_filter_ : nullptr, ledger_room_, recovery.bytes_max),
        filter(may_resume    ? static_cast<http::EventFilter*>(&resume_filter)
               : hides_usage ? &usage_filter_
                             : nullptr) {}

 private:
  BlockRoom event_room_;
  BlockRoom object_room_;
  BlockRoom ledger_room_;

 public:
  usage::TokenTap tap;

 private:
  usage::UsageFilter usage_filter_;

 public:
  usage::ResumeFilter resume_filter;
  http::EventFilter* filter;  // Null when every byte passes as it is.
};

// Where limits of tokens or money may be reached before the answer is over.
LimitTap make_limit_tap(Search& search, Answer& answer, usage::TokenTap& tap) noexcept {
  Services& services = search.services();
  limit::Use begun{.input_tokens = search.admission().demand.input_tokens};
  double per_token = 0;
  if (const std::optional<config::Price>& price = answer.route->price) {
    // Dollars per million are micro-dollars each.
    per_token = price->output_per_million;
    begun.micro_dollars =
        static_cast<int64_t>(static_cast<double>(begun.input_tokens) * price->input_per_million);
  }
  return {tap,   services.limiter, search.settlement().reservation(), services.ring,
          begun, per_token};
}

// What comes before the commit is bounded by the attempt; a stream that had too much to say before
// its first content is not.
Deadline first_token_deadline(Answer& answer, const http::ResponseHead& head) noexcept {
  if (!is_event_stream(head)) return Deadline::never();
  return Deadline::after(answer.attempt->sent_at(), answer.timeouts.first_token);
}

relay::RelayOptions options_for(const Search& search, Answer& answer,
                                const http::ResponseHead& head) noexcept {
  const config::Snapshot& config = search.generation().config;
  const bool can_be_pinged = !head.headers.has(http::HeaderName::kContentEncoding);
  return {
      .framing = head.body,
      .is_event_stream = is_event_stream(head),
      .idle_max = answer.timeouts.idle,
      .stall_max = config.timeouts.stall,
      .first_token_deadline = first_token_deadline(answer, head),
      .total_deadline = answer.total,
      .ping = can_be_pinged ? config.model(answer.model).ping : Duration::zero(),
      .held_bytes_max = config.limits.held_bytes_max,
      .may_resume = may_resume(search, head),
      .broken_events = broken_events(),
  };
}

// One attempt's part of the body, taken out of the attempt, whose heads are given back.
class Part {
 public:
  Part(const Search& search, Answer& answer, relay::RelayOptions& options) noexcept
      : keeps_connection_(answer.attempt->head().keep_alive),
        sent_at_(answer.attempt->sent_at()),
        note_(*search.generation().deployments[answer.route->upstream.value], sent_at_),
        lease(answer.attempt->take_lease()),
        first(answer.attempt->take_first_bytes()),
        more_(answer.attempt->take_more_bytes()) {
    const auto end = std::ranges::find_if_not(more_, &io::Buffer::is_held);
    options.more = {more_.begin(), end};
    if (options.is_event_stream && answer.seat.is_open()) options.content_listener = &note_;
    answer.attempt.reset();
  }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  void end(Search& search, Answer& answer, const relay::RelayResult& result,
           const usage::Usage& usage, bool is_event_stream) noexcept {
    search.settlement().note_upstream_traffic(lease->stream.take_traffic());
    if (result.end == relay::RelayEnd::kFinished && result.upstream_is_clean && keeps_connection_) {
      lease.check_in();
    } else {
      lease.cut();
    }
    if (search.generation().subjects.has_upstream(answer.route->upstream)) {
      answer.seat.settle_limits(used(search, usage), search.services().ring.now());
    }
    end_seat(search, answer, result, sent_at_, is_event_stream);
  }

 private:
  bool keeps_connection_;
  MonoTime sent_at_;
  FirstTokenNote note_;

 public:
  upstream::Lease lease;
  io::Buffer first;

 private:
  std::array<io::Buffer, Attempt::kMoreMax> more_;
};

}  // namespace

Task<void> relay_answer(Search& search, Answer& answer, http::RequestBody& body,
                        http::ResponseSink& client, HeadLines lines) {
  Services& services = search.services();
  Settlement& settlement = search.settlement();
  const config::Snapshot& config = search.generation().config;
  const http::ResponseHead& head = answer.attempt->head();
  relay::RelayOptions options = options_for(search, answer, head);
  const bool is_tapped = config.usage_accounting && head.status == kOk;
  const bool hides_usage = answer.hides_usage && options.is_event_stream && head.status == kOk;
  settlement.note_answer(head, options.is_event_stream, *answer.route, answer.model);
  Watchers watchers(services, options.is_event_stream, hides_usage, options.may_resume,
                    config.model(answer.model).recovery);
  write_head(head, options.is_event_stream, client_framing(head, watchers.filter != nullptr), lines,
             services.limiter.views(settlement.reservation(), services.ring.now()), client);
  LimitTap limit_tap = make_limit_tap(search, answer, watchers.tap);
  options.tap_may_end =
      is_tapped && options.is_event_stream && !settlement.reservation().is_empty();
  http::EventTap* const tap =
      options.tap_may_end ? static_cast<http::EventTap*>(&limit_tap) : &watchers.tap;
  // An open stream keeps the request only where it may be needed once more.
  if (!options.may_resume) body.release();
  for (;;) {
    Part part(search, answer, options);
    const relay::RelayResult result = co_await relay::relay_body(
        part.lease->stream, std::move(part.first), client, watchers.filter,
        is_tapped ? tap : nullptr, services.blocks, options);
    const usage::Usage given = watchers.tap.stream_usage();
    part.end(search, answer, result, given, options.is_event_stream);
    if (is_tapped) {
      settlement.note_usage(watchers.tap.usage());
      note_tokens(search, answer.route->upstream, given);
    }
    settlement.note_relay(result);
    if (!result.is_resumable) break;

    std::optional<Answer> next;
    if (watchers.resume_filter.can_resume()) {
      next = co_await recover(search, watchers.resume_filter.partial(), client);
    }
    if (!next) {
      if (client.interrupted().is_ready()) settlement.note_error(error_of(client));
      co_await relay::break_off(services.ring, client,
                                relay::event_of(result.end, options.broken_events),
                                options.stall_max);
      break;
    }
    watchers.resume_filter.resume();
    watchers.tap.resume(resume_mode(config.model(answer.model).recovery));
    answer = std::move(*next);
    options.framing = answer.attempt->head().body;
    options.idle_max = answer.timeouts.idle;
    options.first_token_deadline = options.total_deadline = Deadline::never();
    options.continues = true;
  }
}

}  // namespace sluice::exchange
