#include <sluice/usage/token_tap.h>
#include <sluice/usage/usage_filter.h>

#include "block_room.h"
#include "phases.h"

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

// Fields go on as the lines they came in, runs of them together: the parser has found them right.
void pass_fields(const http::ResponseHead& head, http::ResponseSink& client) noexcept {
  const http::ConnectionOptions connection(head.headers);
  const char* run = nullptr;  // Where the lines begin that go on together.
  const auto end_run = [&run, &client](const char* end) {
    if (run != nullptr) client.add_lines({run, static_cast<size_t>(end - run)});
    run = nullptr;
  };
  for (const http::HeaderField field : head.headers) {
    if (!is_withheld(field) && !http::is_hop_by_hop(field, connection)) {
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
                std::string_view request_id, http::ResponseSink& client) noexcept {
  client.begin_head(head.status, head.head_bytes + 256);
  client.add_header("x-request-id", request_id);
  pass_fields(head, client);
  if (is_event_stream) {
    if (!head.headers.has(http::HeaderName::kCacheControl)) {
      client.add_header("cache-control", "no-cache");
    }
    // Keeps an nginx in front of us from buffering the stream.
    client.add_header("x-accel-buffering", "no");
  }
  client.end_head(framing);
}

bool is_event_stream_head(const http::ResponseHead& head) noexcept {
  const std::string_view type = head.headers.find(http::HeaderName::kContentType);
  constexpr std::string_view kEventStream = "text/event-stream";
  return type.size() >= kEventStream.size() &&
         http::equals_ignoring_case(type.substr(0, kEventStream.size()), kEventStream);
}

// The framing towards the client: a length that still holds is kept, all else is a stream.
http::BodyFraming client_framing(const http::ResponseHead& head, bool is_filtered) noexcept {
  if (head.body.kind == http::BodyKind::kNone) return head.body;
  if (head.body.kind == http::BodyKind::kLength && !is_filtered) return head.body;
  return {.kind = http::BodyKind::kChunked};
}

// What the whole answer says about its deployment. One that failed was judged before.
void end_seat(Services& services, const Generation& generation, Answer& answer,
              const relay::RelayResult& result, MonoTime sent_at, bool is_event_stream,
              const usage::Usage& usage) noexcept {
  if (!answer.seat.is_taken()) return;
  const MonoTime now = services.ring.now();
  resilience::AttemptEnd end{.error = error_of(result.end), .status = kOk};
  if (end.error) {
    end.had_short_clock = had_short_clock(end.error->code, answer.route->timeouts, answer.timeouts,
                                          now - answer.seat.opened_at());
  }
  Deployment& deployment = answer.seat.deployment();
  if (is_event_stream && result.first_byte_at != MonoTime::max()) {
    deployment.stats.first_token.note(result.first_byte_at - sent_at, now);
  } else if (!is_event_stream && !end.error) {
    deployment.stats.whole.note(now - sent_at, now);
  }
  const uint64_t tokens = usage.input.value_or(0) + usage.output.value_or(0);
  if (tokens > 0) {
    deployment.stats.note_tokens(tokens, now);
    deployment.cells.tokens.add(tokens);
  }
  deployment.publish_stats();
  answer.seat.end(
      outcome_of(end),
      resilience::judge(end, generation.config.upstream(answer.seat.upstream()).cooldown), now);
}

}  // namespace

Task<void> relay_answer(Services& services, Generation& generation, Answer answer,
                        http::RequestBody& body, http::ResponseSink& client,
                        Settlement& settlement) {
  const config::Snapshot& config = generation.config;
  const http::ResponseHead& head = answer.attempt->head();
  const bool is_event_stream = is_event_stream_head(head);
  const bool is_filtered = answer.hides_usage && is_event_stream && head.status == kOk;
  const bool keeps_connection = head.keep_alive;
  const MonoTime sent_at = answer.attempt->sent_at();
  settlement.note_answer(head, is_event_stream, *answer.route, answer.model);

  write_head(head, is_event_stream, client_framing(head, is_filtered), settlement.request_id(),
             client);
  const relay::RelayOptions options{
      .framing = head.body,
      .is_event_stream = is_event_stream,
      .idle_max = answer.timeouts.idle,
      .stall_max = config.timeouts.stall,
      .held_bytes_max = config.limits.held_bytes_max,
      .broken_events = broken_events(),
  };
  // From here on nothing is retried: an open stream keeps neither the request nor the heads.
  upstream::Lease lease = answer.attempt->take_lease();
  io::Buffer first = answer.attempt->take_first_bytes();
  answer.attempt.reset();
  body.release();

  BlockRoom event_room(services.blocks);
  BlockRoom object_room(services.blocks);
  usage::TokenTap tap(services.field_reader,
                      is_event_stream ? usage::BodyKind::kEventStream : usage::BodyKind::kJson,
                      event_room, object_room);
  usage::UsageFilter filter(services.field_reader, tap.plain_events());
  const bool is_tapped = config.usage_accounting && settlement.status() == kOk;
  const relay::RelayResult result = co_await relay::relay_body(
      lease->stream, std::move(first), client, is_filtered ? &filter : nullptr,
      is_tapped ? &tap : nullptr, services.blocks, options);

  if (is_tapped) settlement.note_usage(tap.usage());
  settlement.note_upstream_traffic(lease->stream.take_traffic());
  if (result.end == relay::RelayEnd::kFinished && result.upstream_is_clean && keeps_connection) {
    lease.check_in();
  } else {
    lease.cut();
  }
  settlement.note_relay(result);
  end_seat(services, generation, answer, result, sent_at, is_event_stream, tap.usage());
}

}  // namespace sluice::exchange
