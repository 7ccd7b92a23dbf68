#include "report/json.h"

#include <cmath>

#include <sluice/json/writer.h>

#include "report/figures.h"

namespace sluice::load {
namespace {

// Percentiles that lie evenly on a logarithmic axis of what is above them: 90 %, 99 %, 99.9 % ...
void write_percentiles(json::Writer& writer, const LatencyHistogram& histogram) {
  constexpr double kStepsPerDecade = 10;
  writer.key("percentiles").begin_array();
  const double decades = std::log10(static_cast<double>(histogram.count()));
  for (double step = 0; step <= decades * kStepsPerDecade; ++step) {
    const double share = 1 - std::pow(10, -step / kStepsPerDecade);
    writer.begin_array().number(share).number(in_us(histogram.quantile(share))).end_array();
  }
  writer.begin_array().number(1).number(in_us(histogram.max())).end_array();
  writer.end_array();
}

void write_histograms(json::Writer& writer, const Tally& tally) {
  for (const HistogramRow& row : histogram_rows()) {
    const LatencyHistogram& h = tally.*row.histogram;
    if (h.count() == 0) continue;
    writer.key(row.key).begin_object().key("count").unsigned_integer(h.count());
    writer.key("mean_us").number(in_us(h.mean())).key("p50_us").number(in_us(h.quantile(0.5)));
    writer.key("p90_us").number(in_us(h.quantile(0.9)));
    writer.key("p99_us").number(in_us(h.quantile(0.99)));
    writer.key("p999_us").number(in_us(h.quantile(0.999)));
    writer.key("max_us").number(in_us(h.max()));
    write_percentiles(writer, h);
    writer.end_object();
  }
}

void write_timeline(json::Writer& writer, const Timeline& timeline) {
  writer.key("timeline").begin_array();
  for (const TimelineSecond& second : timeline.seconds()) {
    writer.begin_object().key("started").unsigned_integer(second.counts.started);
    writer.key("completed").unsigned_integer(second.counts.completed);
    writer.key("failed").unsigned_integer(second.counts.failed);
    writer.key("not_sent").unsigned_integer(second.counts.not_sent);
    writer.key("events").unsigned_integer(second.counts.events);
    writer.key("in_flight").unsigned_integer(second.counts.in_flight);
    writer.key("p50_us").number(in_us(second.p50)).key("p99_us").number(in_us(second.p99));
    writer.key("max_us").number(in_us(second.max)).end_object();
  }
  writer.end_array();
}

void write_parts(json::Writer& writer, const Report& report) {
  writer.key("parts").begin_array();
  for (size_t i = 0; i < report.tally->parts.size(); ++i) {
    const PartTally& part = report.tally->parts[i];
    writer.begin_object().key("name").string(report.parts[i]);
    writer.key("started").unsigned_integer(part.started);
    writer.key("completed").unsigned_integer(part.completed);
    writer.key("failed").unsigned_integer(part.failed);
    writer.key("p50_us").number(in_us(part.latency.quantile(0.5)));
    writer.key("p99_us").number(in_us(part.latency.quantile(0.99))).end_object();
  }
  writer.end_array();
}

void write_verdicts(json::Writer& writer, const Report& report) {
  writer.key("expectations").begin_array();
  for (const Verdict& verdict : report.verdicts) {
    writer.begin_object().key("figure").string(verdict.expectation.figure);
    writer.key("expected").string(verdict.expectation.text).key("value");
    verdict.was_measured ? writer.number(verdict.value) : writer.null();
    writer.key("met").boolean(verdict.is_met).end_object();
  }
  writer.end_array();
}

}  // namespace

std::string render_json(const Report& report) {
  const Tally& tally = *report.tally;
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("version").integer(1).key("name").string(report.title());
  writer.key("target").string(report.settings->target.url.authority);
  writer.key("loop").string(report.is_open_loop() ? "open" : "closed");
  writer.key("connections").unsigned_integer(report.settings->connections);
  writer.key("begun").string(report.begun).key("machine").string(report.machine);
  writer.key("seconds").number(std::chrono::duration<double>(report.measured).count());
  writer.key("stopped_early").boolean(report.was_stopped);
  writer.key("rate").number(per_second(tally.completed, report.measured));
  writer.key("event_rate").number(per_second(tally.events, report.measured));
  writer.key("token_rate").number(per_second(tally.tokens, report.measured));
  for (const CountRow& row : count_rows()) writer.key(row.key).unsigned_integer(tally.*row.count);
  writer.key("forty_ms_steps").unsigned_integer(forty_ms_steps(tally.delay));
  writer.key("failures").begin_object();
  for (const auto& [reason, count] : tally.failures) writer.key(reason).unsigned_integer(count);
  writer.end_object();
  write_histograms(writer, tally);
  write_timeline(writer, tally.timeline);
  write_parts(writer, report);
  write_verdicts(writer, report);
  writer.end_object();
  return out;
}

}  // namespace sluice::load
