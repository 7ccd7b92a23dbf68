#include <array>

#include <sluice/base/units.h>
#include <sluice/json/writer.h>

#include "fields.h"
#include "rows.h"

namespace sluice::admin {
namespace {

using control::UpstreamOrder;

constexpr Duration kCooldownMax = seconds(24 * 3600);

control::SmallAnswer order_upstream(Call& call, UpstreamOrder order, Duration length) {
  const std::string& upstream = call.places[0];
  call.note.object = upstream;
  if (!call.parts.operations.order(upstream, order, length, call.caller.actor.name)) {
    return control::error_answer(404, "unknown_upstream",
                                 "no upstream of this name; GET /v1/upstreams lists them");
  }
  control::SmallAnswer answer;
  json::Writer(answer.body).begin_object().key("upstream").string(upstream).end_object();
  return answer;
}

Task<control::SmallAnswer> cool(Call& call) {
  const std::string& text = text_of(call.body, "for");
  const std::optional<Duration> length = parse_duration(text);
  if (!length || *length <= Duration::zero() || *length > kCooldownMax) {
    co_return control::error_answer(400, "invalid_request",
                                    "`for` must be more than nothing and at most 24 hours", "for");
  }
  json::Writer(call.note.after).begin_object().key("for").string(text).end_object();
  co_return order_upstream(call, UpstreamOrder::kCooldown, *length);
}

Task<control::SmallAnswer> clear(Call& call) {
  co_return order_upstream(call, UpstreamOrder::kClear, {});
}

Task<control::SmallAnswer> drain(Call& call) {
  co_return order_upstream(call, UpstreamOrder::kDrain, {});
}

Task<control::SmallAnswer> undrain(Call& call) {
  co_return order_upstream(call, UpstreamOrder::kUndrain, {});
}

constexpr std::array<Field, 1> kLength = {{{.name = "for",
                                            .kind = FieldKind::kDuration,
                                            .purpose = "At most 24 hours.",
                                            .is_needed = true}}};
constexpr std::array<Field, 1> kTold = {{{.name = "upstream", .is_needed = true}}};

// The names of discovered upstreams have slashes of their own.
constexpr std::array<Route, 4> kRows = {{
    {.method = http::Method::kPost,
     .path = "/v1/upstreams/{name...}/cooldown",
     .purpose = "No requests for a time.",
     .rights = Rights::kGateway,
     .run = cool,
     .body = kLength,
     .answer = kTold,
     .action = "upstream.cooldown"},
    {.method = http::Method::kPost,
     .path = "/v1/upstreams/{name...}/clear",
     .purpose = "Ends what rests it for a time: a cooldown, an open breaker, an ejection.",
     .rights = Rights::kGateway,
     .run = clear,
     .answer = kTold,
     .action = "upstream.clear"},
    {.method = http::Method::kPost,
     .path = "/v1/upstreams/{name...}/drain",
     .purpose = "No new requests until it is undrained; what runs there goes on.",
     .rights = Rights::kGateway,
     .run = drain,
     .answer = kTold,
     .action = "upstream.drain"},
    {.method = http::Method::kPost,
     .path = "/v1/upstreams/{name...}/undrain",
     .purpose = "New requests again.",
     .rights = Rights::kGateway,
     .run = undrain,
     .answer = kTold,
     .action = "upstream.undrain"},
}};

}  // namespace

std::span<const Route> order_rows() { return kRows; }

}  // namespace sluice::admin
