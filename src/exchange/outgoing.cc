#include "outgoing.h"

#include <charconv>

#include <sluice/io/timer.h>

namespace sluice::exchange {
namespace {

bool asks_for_usage(const Generation& generation, const config::Upstream& upstream,
                    Endpoint endpoint, const json::Envelope& envelope) noexcept {
  return generation.config.usage_accounting && has_stream_options(endpoint) && envelope.stream &&
         envelope.include_usage != json::IncludeUsage::kOn &&
         upstream.stream_usage == config::StreamUsage::kInject;
}

// The name that the upstream knows the model by; empty when the client has sent just that. Nothing
// when there is no memory.
std::optional<std::string_view> choose_name(const Search& search, Answer& answer) noexcept {
  const Admission& admission = search.admission();
  const Seat& seat = answer.seat;
  std::string_view name = search.generation().model_names[seat.model().value][seat.route_index()];
  if (name.find('*') != std::string_view::npos) {
    name = answer.attempt->write_name(name, admission.wild);
    if (name.empty()) return std::nullopt;
  }
  const json::ByteRange& token = admission.envelope.model_token;
  return admission.body.substr(token.offset, token.length) == name ? std::string_view() : name;
}

std::optional<Duration> read_retry_after(const http::HeaderList& headers) noexcept {
  const auto number = [](std::string_view text) -> std::optional<uint64_t> {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_whole = error == std::errc{} && end == text.data() + text.size();
    // A day at most; more is no waiting time.
    return is_whole && value <= 86'400'000 ? std::optional(value) : std::nullopt;
  };
  if (const auto ms = number(headers.find("retry-after-ms"))) return milliseconds(*ms);
  if (const auto s = number(headers.find(http::HeaderName::kRetryAfter))) {
    return std::min<Duration>(seconds(*s), seconds(86'400));
  }
  return std::nullopt;
}

// Whether the commit waits for the first content, because another attempt may have to take over.
bool holds_until_content(const Search& search, const Answer& answer) noexcept {
  const config::Model& model = search.generation().config.model(answer.model);
  return search.admission().envelope.stream && !search.is_recovery() &&
         (model.hedge.has_value() || answer.timeouts.first_token > Duration::zero());
}

}  // namespace

Answer begin_answer(Search& search, Seat seat) noexcept {
  const config::Snapshot& config = search.generation().config;
  Answer answer;
  answer.route = &seat.route();
  answer.model = seat.model();
  answer.timeouts =
      apply_wishes(seat.route().timeouts, search.admission().timeouts, config.timeout_header_max);
  // A stream that goes on has had its first content: only its gaps are timed any more.
  if (!search.is_recovery()) {
    answer.total = Deadline::after(search.settlement().began_at(), answer.timeouts.total);
  }
  answer.hides_usage = asks_for_usage(search.generation(), config.upstream(seat.upstream()),
                                      search.endpoint(), search.admission().envelope);
  answer.attempt = AttemptPtr(search.services());
  answer.seat = std::move(seat);
  return answer;
}

bool prepare_request(Search& search, Answer& answer, OutgoingRequest& out) noexcept {
  if (!answer.attempt.is_held()) return false;
  const std::optional<std::string_view> name = choose_name(search, answer);
  if (!name) return false;
  const json::BodyEdit edit{.model = *name, .include_usage = answer.hides_usage};
  Generation& generation = search.generation();
  const UpstreamId upstream = answer.seat.upstream();
  const Admission& admission = search.admission();
  out.upstream = &generation.config.upstream(upstream);
  out.pool = generation.pools[upstream.value];
  out.head = &search.head();
  out.forwarded_headers = generation.forwarded_headers[upstream.value];
  out.fields = generation.request_fields[upstream.value];
  out.request_id = search.settlement().request_id();
  out.priority = admission.priority;
  out.script_headers = admission.wishes.headers;
  out.body = json::plan_body(admission.body, admission.envelope, edit);
  out.continued = search.plan_continuation(edit);
  // The whole answer once more would be taken for the rest (D23).
  if (search.continues_text() && out.continued == nullptr) return false;
  out.timeouts = answer.timeouts;
  out.total = answer.total;
  out.holds_until_content = holds_until_content(search, answer);
  return true;
}

// The client's leaving as the error that it is.
Error error_of(http::ResponseSink& client) noexcept {
  return {client.interruption(), Side::kDownstream, Retry::kNever, "ended before the answer"};
}

resilience::AttemptEnd end_of(Answer& answer, const Result<void>& answered,
                              http::ResponseSink& client, MonoTime now) noexcept {
  const Attempt& attempt = *answer.attempt;
  resilience::AttemptEnd end{.used_pooled_connection = attempt.was_reused(),
                             .has_received_bytes = attempt.has_answer_bytes()};
  if (!answered) {
    const bool is_gone = client.interrupted().is_ready();
    end.error = is_gone ? error_of(client) : answered.error();
    end.had_short_clock = had_short_clock(end.error->code, answer.route->timeouts, answer.timeouts,
                                          now - answer.seat.opened_at());
    return end;
  }
  end.status = attempt.head().status;
  if (end.status >= 400) {
    end.body = attempt.body_at_hand();
    end.retry_after = read_retry_after(attempt.head().headers);
  }
  return end;
}

resilience::Judgement judge(const Search& search, const Answer& answer,
                            const resilience::AttemptEnd& end) noexcept {
  return resilience::judge(end,
                           search.generation().config.upstream(answer.route->upstream).cooldown);
}

Task<bool> pause(Services& services, http::ResponseSink& client, Duration delay, Deadline total) {
  io::Timer timer(services.ring.ready(), services.ring.timers());
  timer.set(Deadline{services.ring.now() + delay}.sooner(total));
  co_await io::first_of(&timer, &client.interrupted());
  co_return !client.interrupted().is_ready() && !total.has_passed(services.ring.now());
}

}  // namespace sluice::exchange
