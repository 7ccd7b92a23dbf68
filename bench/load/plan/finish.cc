// The half of the options that needs all of them: files, hosts, and what follows from what.
#include <cmath>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include <sluice/base/units.h>

#include "plan/options.h"

namespace sluice::load {
namespace {

constexpr uint32_t kOpenLoopConnections = 256;

// Each step: empty when all is well, else "name: reason".

std::string read_file(std::string_view name, const std::string& path, std::string& out) {
  if (path.empty()) return {};
  std::ifstream file(path, std::ios::binary);
  if (!file) return fmt::format("{}: {} cannot be read; check the path", name, path);
  out.assign(std::istreambuf_iterator<char>(file), {});
  if (out.empty()) return fmt::format("{}: {} is empty", name, path);
  return {};
}

std::string find(std::string_view name, const std::string& text, std::optional<Target>& out) {
  if (text.empty()) return {};
  auto target = find_target(text);
  if (!target) return fmt::format("{}: {}", name, target.error());
  out = std::move(*target);
  return {};
}

std::string find_targets(Draft& draft) {
  if (draft.target.empty()) return "target: is missing; give http://host:port";
  std::optional<Target> target;
  std::string why = find("target", draft.target, target);
  if (!why.empty()) return why;
  draft.settings.target = std::move(*target);
  why = find("reference_url", draft.reference_url, draft.settings.reference_target);
  if (why.empty()) why = find("stats_url", draft.stats_url, draft.settings.stats);
  return why;
}

std::string read_time(std::string_view name, const std::string& text, Duration& out) {
  if (text.empty()) return {};
  const auto parsed = parse_duration(text);
  if (!parsed) return fmt::format("{}: {} is not like 60s or 250ms", name, text);
  out = *parsed;
  return {};
}

std::string read_slow_rate(const std::string& text, Settings& settings) {
  if (text.empty()) return {};
  const bool has_unit = text.ends_with("/s");
  const auto bytes = parse_bytes(std::string_view(text).substr(0, text.size() - 2 * has_unit));
  if (!has_unit || !bytes || *bytes == 0) return "rate: " + text + " is not like 1KB/s";
  settings.bytes_per_second = *bytes;
  return {};
}

std::string settle_times(Draft& draft) {
  Settings& settings = draft.settings;
  const bool ends_itself = settings.requests > 0 || settings.per_connection > 0 ||
                           !settings.trace_file.empty() ||
                           draft.rate.find('@') != std::string::npos;
  if (draft.duration.empty() && !ends_itself) draft.duration = "10s";
  std::string why = read_time("duration", draft.duration, settings.duration);
  if (why.empty()) why = read_time("spread", draft.spread, settings.spread);
  if (!why.empty()) return why;
  if (settings.mode == Mode::kSlowReader) return read_slow_rate(draft.rate, settings);
  if (draft.rate.empty()) return {};
  if (!settings.trace_file.empty()) return "rate: a trace has its own; take one of the two away";
  auto schedule = Schedule::parse(draft.rate, settings.warm_up + settings.duration);
  if (!schedule) return "rate: " + schedule.error();
  settings.schedule = std::move(*schedule);
  return {};
}

std::string settle_phase(const Draft& draft, Phase& out) {
  constexpr std::string_view kNames[] = {"connect", "body", "waiting", "streaming"};
  for (uint8_t i = 0; i < std::size(kNames); ++i) {
    if (draft.phase != kNames[i]) continue;
    out = static_cast<Phase>(i);
    return {};
  }
  return "phase: one of connect, body, waiting, streaming";
}

std::string settle_freeze(const Draft& draft, Freeze& out) {
  if (draft.freeze.empty()) return {};
  const size_t at = draft.freeze.find('@');
  const auto length = parse_duration(std::string_view(draft.freeze).substr(0, at));
  const auto time =
      at == std::string::npos ? std::nullopt : parse_duration(draft.freeze.substr(at + 1));
  if (!length || !time) return "freeze: " + draft.freeze + " is not like 1s@5s (length, time)";
  out.length = *length;
  out.at = *time;
  return {};
}

// What the simulated server is asked for. A gateway between must be told to let these pass.
void add_shape(const Draft& draft, Settings& settings) {
  const auto add = [&](const char* name, std::string value) {
    settings.headers.emplace_back(name, std::move(value));
  };
  if (draft.events > 0) {
    const double interval = draft.interval_ms;
    add("x-sim-tokens", std::to_string(draft.events));
    add("x-sim-tps", interval > 0 ? fmt::format("{}", 1000 / interval) : "0");
    add("x-sim-ttft", fmt::format("{}us", std::lround(interval * 1000)));
  }
  if (draft.stamps) add("x-sim-stamp", "1");
  if (draft.is_fixed) add("x-sim-fixed", "1");
  if (settings.mode == Mode::kAbort && settings.phase == Phase::kWaiting) {
    add("x-sim-fault", "stall");
  }
}

void settle_counts(const Draft& draft, Settings& settings) {
  const bool is_open = settings.schedule || !settings.trace_file.empty();
  settings.connections = draft.connections.value_or(is_open ? kOpenLoopConnections : 1);
  if (settings.mode == Mode::kSlowReader) settings.receive_bytes_max = 4096;
  if (draft.receive_buffer > 0) settings.receive_bytes_max = draft.receive_buffer;
  if (settings.tenants.empty()) settings.tenants = draft.keys;
}

template <class Items, class Weight>
bool has_share(const Items& items, Weight weight) {
  double sum = 0;
  for (const auto& item : items) sum += weight(item);
  return items.empty() || sum > 0;
}

std::string check_shares(const Settings& settings) {
  constexpr std::string_view kWhy = ": no share is above 0";
  if (!has_share(settings.models, [](const Share& s) { return s.weight; })) {
    return std::string("models") + std::string(kWhy);
  }
  if (!has_share(settings.sizes, [](const auto& s) { return s.second; })) {
    return std::string("sizes") + std::string(kWhy);
  }
  if (!has_share(settings.tenants, [](const Tenant& t) { return t.weight; })) {
    return std::string(settings.tenants.front().name.starts_with("key") ? "keys" : "tenants") +
           std::string(kWhy);
  }
  return {};
}

}  // namespace

std::expected<Settings, std::string> finish(Draft draft) {
  Settings& settings = draft.settings;
  std::string why = settle_times(draft);
  if (why.empty()) why = settle_phase(draft, settings.phase);
  if (why.empty()) why = settle_freeze(draft, settings.freeze);
  if (why.empty()) why = read_file("body", draft.body_file, settings.body);
  if (why.empty()) why = read_file("reference", draft.reference_file, settings.reference);
  if (why.empty() && !draft.keys.empty() && !settings.tenants.empty()) {
    why = "keys: tenants have their own; take one of the two away";
  }
  settle_counts(draft, settings);
  if (why.empty()) why = check_shares(settings);
  if (why.empty()) why = find_targets(draft);
  if (!why.empty()) return std::unexpected(std::move(why));
  add_shape(draft, settings);
  return std::move(settings);
}

}  // namespace sluice::load
