#include "report/table.h"

#include <fmt/format.h>

#include "report/figures.h"

namespace sluice::load {
namespace {

void add_counts(const Report& report, std::string& out) {
  const Tally& tally = *report.tally;
  const double in_seconds = std::chrono::duration<double>(report.measured).count();
  out += fmt::format("{}{}\n", report.title(), report.was_stopped ? " (stopped early)" : "");
  out += fmt::format("{} started, {} completed, {} failed, {} interrupted in {:.2f} s ({:.1f}/s)\n",
                     tally.started, tally.completed, tally.failed, tally.interrupted, in_seconds,
                     per_second(tally.completed, report.measured));
  out += fmt::format("{} body bytes, {} connections opened", tally.bytes, tally.connects);
  if (tally.overtaken > 0) out += fmt::format(", {} closed by the server", tally.overtaken);
  out += '\n';
  if (report.is_open_loop()) {
    out += fmt::format("{} not sent, at most {} waited for a connection\n", tally.not_sent,
                       tally.queued_most);
  }
  if (tally.left > 0) out += fmt::format("{} clients left as they were told to\n", tally.left);
}

void add_events(const Report& report, std::string& out) {
  const Tally& tally = *report.tally;
  if (tally.events > 0 || report.settings->streams) {
    out += fmt::format(
        "{} events ({:.0f}/s), {} tokens ({:.0f}/s), {} stalls, {} streams without [DONE], "
        "{} error events, {} malformed\n",
        tally.events, per_second(tally.events, report.measured), tally.tokens,
        per_second(tally.tokens, report.measured), tally.stalls, tally.without_done,
        tally.error_events, tally.malformed_events);
  }
  if (tally.identical + tally.differing > 0) {
    out += fmt::format("{} identical to the reference, {} different\n", tally.identical,
                       tally.differing);
  }
  for (const auto& [reason, count] : tally.failures) {
    out += fmt::format("  failed: {} x {}\n", count, reason);
  }
}

void add_times(const Report& report, std::string& out) {
  bool has_title = false;
  for (const HistogramRow& row : histogram_rows()) {
    const LatencyHistogram& h = report.tally->*row.histogram;
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
  if (const uint64_t steps = forty_ms_steps(report.tally->delay); steps > 0) {
    out += fmt::format("{} delays of about 40 ms: look for TCP_NODELAY\n", steps);
  }
}

void add_parts(const Report& report, std::string& out) {
  if (report.tally->parts.empty()) return;
  out += fmt::format("{:<30}{:>10}{:>10}{:>10}{:>12}{:>12}\n", "by tenant and model", "started",
                     "completed", "failed", "p50 us", "p99 us");
  for (size_t i = 0; i < report.tally->parts.size(); ++i) {
    const PartTally& part = report.tally->parts[i];
    out += fmt::format("{:<30.29}{:>10}{:>10}{:>10}{:>12.1f}{:>12.1f}\n", report.parts[i],
                       part.started, part.completed, part.failed, in_us(part.latency.quantile(0.5)),
                       in_us(part.latency.quantile(0.99)));
  }
}

}  // namespace

std::string render_table(const Report& report) {
  std::string out;
  add_counts(report, out);
  add_events(report, out);
  add_times(report, out);
  add_parts(report, out);
  for (const Verdict& verdict : report.verdicts) {
    if (verdict.is_met && report.settings->expectations.empty()) continue;
    const std::string value =
        verdict.was_measured ? fmt::format("{:.6g}", verdict.value) : "not measured";
    out += fmt::format("{}: {} is {}, expected {}\n", verdict.is_met ? "met" : "MISSED",
                       verdict.expectation.figure, value, verdict.expectation.text);
  }
  return out;
}

std::string format_us(double us) {
  if (us < 1000) return fmt::format("{:.0f} us", us);
  if (us < 1'000'000) return fmt::format("{:.3g} ms", us / 1000);
  return fmt::format("{:.3g} s", us / 1'000'000);
}

std::string format_count(uint64_t count) {
  std::string digits = std::to_string(count);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

}  // namespace sluice::load
