#include "command_line.h"

#include <cmath>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include <sluice/base/units.h>
#include <sluice/net/resolver.h>

namespace sluice::load {
namespace {

std::unexpected<std::string> wrong(std::string why) { return std::unexpected(std::move(why)); }

std::expected<Target, std::string> find_target(const std::string& option, const std::string& text) {
  auto url = parse_url(text);
  if (!url) return wrong(option + ": " + text + " is not like http://127.0.0.1:8080");
  auto addresses = net::resolve_blocking(url->host, url->port);
  if (!addresses) return wrong(option + ": " + addresses.error());
  return Target{std::move(*url), addresses->front()};
}

std::expected<std::string, std::string> read_file(const std::string& option,
                                                  const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return wrong(option + ": " + path + " cannot be read");
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Empty when `text` was understood, else the sentence.
std::string read_duration(const std::string& option, const std::string& text, Duration& out) {
  if (text.empty()) return {};
  const auto parsed = parse_duration(text);
  if (!parsed) return option + ": " + text + " is not like 60s or 250ms";
  out = *parsed;
  return {};
}

std::string read_times(const CommandLine& line, Settings& settings) {
  const bool ends_itself = line.per_connection > 0 && line.mode != Mode::kUnary;
  const std::string fallback = ends_itself ? "" : "10s";
  const std::string& duration = line.duration.empty() ? fallback : line.duration;
  std::string why = read_duration("--duration", duration, settings.duration);
  if (why.empty()) why = read_duration("--warm-up", line.warm_up, settings.warm_up);
  if (why.empty()) why = read_duration("--spread", line.spread, settings.spread);
  if (why.empty()) why = read_duration("--timeout", line.timeout, settings.timeout);
  return why;
}

std::string read_rate(const std::string& text, uint64_t& out) {
  const bool has_unit = text.ends_with("/s");
  const auto bytes = parse_bytes(std::string_view(text).substr(0, text.size() - 2 * has_unit));
  if (!has_unit || !bytes || *bytes == 0) return "--rate: " + text + " is not like 1KB/s";
  out = *bytes;
  return {};
}

std::string read_phase(const std::string& text, Phase& out) {
  if (text == "connect")
    out = Phase::kConnect;
  else if (text == "body")
    out = Phase::kBody;
  else if (text == "waiting")
    out = Phase::kWaiting;
  else if (text == "streaming")
    out = Phase::kStreaming;
  else
    return "--phase: one of connect, body, waiting, streaming";
  return {};
}

std::string read_headers(const CommandLine& line, Settings& settings) {
  for (const std::string& header : line.headers) {
    const size_t colon = header.find(':');
    if (colon == 0 || colon == std::string::npos) return "--header: " + header + " has no name";
    const size_t value = header.find_first_not_of(' ', colon + 1);
    settings.headers.emplace_back(header.substr(0, colon),
                                  value == std::string::npos ? "" : header.substr(value));
  }
  return {};
}

// What the simulated server is asked for. A gateway between must be told to let these pass.
void add_shape(const CommandLine& line, Settings& settings) {
  const auto add = [&](const char* name, std::string value) {
    settings.headers.emplace_back(name, std::move(value));
  };
  if (line.events > 0) {
    add("x-sim-tokens", std::to_string(line.events));
    add("x-sim-tps", line.interval_ms > 0 ? fmt::format("{}", 1000 / line.interval_ms) : "0");
    add("x-sim-ttft", fmt::format("{}us", std::lround(line.interval_ms * 1000)));
  }
  if (line.stamps) add("x-sim-stamp", "1");
  if (line.is_fixed) add("x-sim-fixed", "1");
  if (line.mode == Mode::kAbort && settings.phase == Phase::kWaiting) add("x-sim-fault", "stall");
}

std::string read_targets(const CommandLine& line, Settings& settings) {
  auto target = find_target("--target", line.target);
  if (!target) return target.error();
  settings.target = std::move(*target);
  if (!line.reference_url.empty()) {
    auto reference = find_target("--reference-url", line.reference_url);
    if (!reference) return reference.error();
    settings.reference_target = std::move(*reference);
  }
  if (!line.stats_url.empty()) {
    auto stats = find_target("--stats-url", line.stats_url);
    if (!stats) return stats.error();
    settings.stats = std::move(*stats);
  }
  return {};
}

std::string read_bodies(const CommandLine& line, Settings& settings) {
  settings.body = make_body(line.model, line.mode != Mode::kUnary, line.body_bytes);
  if (!line.body_file.empty()) {
    auto body = read_file("--body", line.body_file);
    if (!body) return body.error();
    settings.body = std::move(*body);
  }
  if (!line.reference_file.empty()) {
    auto reference = read_file("--reference", line.reference_file);
    if (!reference) return reference.error();
    settings.reference = std::move(*reference);
    if (settings.reference.empty()) return "--reference: " + line.reference_file + " is empty";
  }
  return {};
}

}  // namespace

std::expected<Settings, std::string> to_settings(const CommandLine& line) {
  Settings settings;
  settings.mode = line.mode;
  settings.path = line.path;
  settings.connections = line.connections;
  settings.per_connection = line.per_connection;
  if (line.mode == Mode::kSlowReader) settings.receive_bytes_max = 4096;
  if (line.receive_buffer > 0) settings.receive_bytes_max = line.receive_buffer;
  std::string why = read_times(line, settings);
  if (why.empty()) why = read_rate(line.rate, settings.bytes_per_second);
  if (why.empty()) why = read_phase(line.phase, settings.phase);
  if (why.empty()) why = read_bodies(line, settings);
  if (why.empty()) why = read_headers(line, settings);
  if (why.empty()) why = read_targets(line, settings);
  if (!why.empty()) return wrong(std::move(why));
  add_shape(line, settings);
  if (render_request(settings, settings.target.url).empty()) {
    return wrong("--header, --path: these do not make a request of at most 16 KiB of head");
  }
  return settings;
}

}  // namespace sluice::load
