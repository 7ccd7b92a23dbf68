#include "report.h"

#include <array>

#include <fmt/format.h>

#include <sluice/json/writer.h>

namespace sluice::load {
namespace {

struct Row {
  std::string_view title;
  std::string_view key;
  const LatencyHistogram& histogram;
};

std::array<Row, 5> rows_of(const Tally& tally) {
  return {{{"whole answer", "latency", tally.latency},
           {"first event", "first_event", tally.first_event},
           {"gap between events", "gap", tally.gap},
           {"delay of an event", "delay", tally.delay},
           {"leaving noticed", "detection", tally.detection}}};
}

double in_us(Duration duration) { return static_cast<double>(duration.count()) / 1000; }

double per_second(uint64_t count, Duration time) {
  const double in_seconds = std::chrono::duration<double>(time).count();
  return in_seconds > 0 ? static_cast<double>(count) / in_seconds : 0;
}

// Values in the window where Nagle's algorithm and delayed acknowledgements put them.
uint64_t forty_ms_steps(const LatencyHistogram& histogram) {
  return histogram.count_between(milliseconds(38), milliseconds(46));
}

}  // namespace

std::string render_table(const Run& run) {
  const Tally& tally = run.tally();
  const double in_seconds = std::chrono::duration<double>(run.measured()).count();
  std::string out = fmt::format(
      "{} started, {} completed, {} failed, {} interrupted in {:.2f} s ({:.1f}/s)\n"
      "{} body bytes, {} connections opened\n",
      tally.started, tally.completed, tally.failed, tally.interrupted, in_seconds,
      per_second(tally.completed, run.measured()), tally.bytes, tally.connects);
  if (run.settings().mode == Mode::kStreams) {
    out += fmt::format("{} events ({:.0f}/s), {} error events, {} streams without [DONE]\n",
                       tally.events, per_second(tally.events, run.measured()), tally.error_events,
                       tally.without_done);
    if (!run.settings().reference.empty()) {
      out += fmt::format("{} identical to the reference of {} bytes, {} different\n",
                         tally.identical, run.settings().reference.size(), tally.differing);
    }
  }
  for (const auto& [reason, count] : tally.failures) {
    out += fmt::format("  failed: {} x {}\n", count, reason);
  }
  bool has_title = false;
  for (const Row& row : rows_of(tally)) {
    const LatencyHistogram& h = row.histogram;
    if (h.count() == 0) continue;
    if (!has_title) {
      out += fmt::format("{:<20}{:>10}{:>12}{:>12}{:>12}{:>12}{:>12}\n", "microseconds", "count",
                         "mean", "p50", "p99", "p99.9", "max");
    }
    has_title = true;
    out += fmt::format("{:<20}{:>10}{:>12.1f}{:>12.1f}{:>12.1f}{:>12.1f}{:>12.1f}\n", row.title,
                       h.count(), in_us(h.mean()), in_us(h.quantile(0.5)), in_us(h.quantile(0.99)),
                       in_us(h.quantile(0.999)), in_us(h.max()));
  }
  if (const uint64_t steps = forty_ms_steps(tally.delay); steps > 0) {
    out += fmt::format("{} delays of about 40 ms: look for TCP_NODELAY\n", steps);
  }
  return out;
}

std::string render_json(const Run& run) {
  const Tally& tally = run.tally();
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  writer.key("seconds").number(std::chrono::duration<double>(run.measured()).count());
  const std::array<std::pair<std::string_view, uint64_t>, 11> counts = {{
      {"started", tally.started},
      {"completed", tally.completed},
      {"failed", tally.failed},
      {"interrupted", tally.interrupted},
      {"events", tally.events},
      {"error_events", tally.error_events},
      {"without_done", tally.without_done},
      {"identical", tally.identical},
      {"differing", tally.differing},
      {"bytes", tally.bytes},
      {"forty_ms_steps", forty_ms_steps(tally.delay)},
  }};
  for (const auto& [key, count] : counts) writer.key(key).unsigned_integer(count);
  writer.key("failures").begin_object();
  for (const auto& [reason, count] : tally.failures) writer.key(reason).unsigned_integer(count);
  writer.end_object();
  for (const Row& row : rows_of(tally)) {
    const LatencyHistogram& h = row.histogram;
    if (h.count() == 0) continue;
    writer.key(row.key).begin_object().key("count").unsigned_integer(h.count());
    writer.key("mean_us").number(in_us(h.mean())).key("p50_us").number(in_us(h.quantile(0.5)));
    writer.key("p90_us").number(in_us(h.quantile(0.9)));
    writer.key("p99_us").number(in_us(h.quantile(0.99)));
    writer.key("p999_us").number(in_us(h.quantile(0.999)));
    writer.key("max_us").number(in_us(h.max())).end_object();
  }
  writer.end_object();
  return out;
}

bool is_good(const Run& run) noexcept {
  return run.obstacle().empty() && run.tally().completed > 0 && run.tally().failed == 0;
}

}  // namespace sluice::load
