// One view of `sluicectl top`: rates of what GET /v1/top counted between two samples.
#pragma once

#include <cstddef>
#include <string>

#include <sluice/json/value.h>

namespace sluice::sluicectl {

// From the counters of two answers, the later one second; all rates are 0 when the gateway was
// started anew between them. Members: at, uptime_s, interval_s, total, shards, models, upstreams,
// tenants; the busiest of each first, shards by number.
[[nodiscard]] json::Value make_frame(const json::Value& before, const json::Value& after);

// As text of at most `lines` lines; each section gives way to the others. 0 is no bound.
[[nodiscard]] std::string render_frame(const json::Value& frame, size_t lines);

}  // namespace sluice::sluicectl
