#include "plan/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

#include <sluice/base/units.h>

#include "report/figures.h"

namespace sluice::load {
namespace {

using Values = std::span<const std::string>;

// --- single values: empty when understood, else why not

template <class Number>
std::string read_number(const std::string& text, Number min, Number max, Number& out) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  // Written this way round so that what is no number at all is refused, too.
  if (!is_number || !(value >= min && value <= max)) {
    return fmt::format("{} is not a number from {} to {}", text, min, max);
  }
  out = value;
  return {};
}

std::string read_duration(const std::string& text, Duration& out) {
  const auto parsed = parse_duration(text);
  if (!parsed) return text + " is not like 60s or 250ms";
  out = *parsed;
  return {};
}

std::string read_flag(const std::string& text, bool& out) {
  if (text != "true" && text != "false") return text + " is neither true nor false";
  out = text == "true";
  return {};
}

// "name=share", or "name" for a share of 1. Names may hold "=", shares not.
std::string read_share(const std::string& text, std::string& name, double& weight) {
  const size_t at = text.rfind('=');
  name = text.substr(0, at);
  weight = 1;
  if (name.empty()) return text + " has no name before its share";
  if (at == std::string::npos) return {};
  return read_number(text.substr(at + 1), 0.0, 1e9, weight);
}

// A key as it is, or of the variable that env://NAME names.
std::string read_key(const std::string& text, std::string& key) {
  constexpr std::string_view kVariable = "env://";
  if (!text.starts_with(kVariable)) {
    key = text;
    return {};
  }
  const std::string name = text.substr(kVariable.size());
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') {
    return "the variable " + name + " is not set or empty; set it to the key";
  }
  key = value;
  return {};
}

// --- ways to read an option, made from a member

template <auto Member, auto Min, auto Max>
std::string number_into(Values values, Draft& draft) {
  using Number = std::remove_reference_t<decltype(draft.settings.*Member)>;
  return read_number<Number>(values.front(), Min, Max, draft.settings.*Member);
}
template <auto Member>
std::string duration_into(Values values, Draft& draft) {
  return read_duration(values.front(), draft.settings.*Member);
}
template <auto Member>
std::string flag_into(Values values, Draft& draft) {
  return read_flag(values.front(), draft.settings.*Member);
}
template <auto Member>
std::string text_into(Values values, Draft& draft) {
  draft.settings.*Member = values.front();
  return {};
}
template <auto Member>
std::string text_for_later(Values values, Draft& draft) {
  draft.*Member = values.front();
  return {};
}
template <auto Member>
std::string flag_for_later(Values values, Draft& draft) {
  return read_flag(values.front(), draft.*Member);
}

// --- options of their own kind

std::string read_connections(Values values, Draft& draft) {
  draft.connections.emplace();
  return read_number(values.front(), 1u, 1'000'000u, *draft.connections);
}

std::string read_arrivals(Values values, Draft& draft) {
  if (values.front() != "even" && values.front() != "poisson") {
    return values.front() + " is neither even nor poisson";
  }
  draft.settings.is_poisson = values.front() == "poisson";
  return {};
}

std::string read_headers(Values values, Draft& draft) {
  draft.settings.headers.clear();
  for (const std::string& header : values) {
    const size_t end = header.find_first_of(":=");
    if (end == 0 || end == std::string::npos) return header + " is not like 'name: value'";
    const size_t value = header.find_first_not_of(' ', end + 1);
    draft.settings.headers.emplace_back(header.substr(0, end),
                                        value == std::string::npos ? "" : header.substr(value));
  }
  return {};
}

std::string read_models(Values values, Draft& draft) {
  draft.settings.models.clear();
  std::string why;
  for (const std::string& text : values) {
    // A model's name may itself hold a shape for sluice-sim, such as sim?tokens=5.
    const bool has_shape = text.find('?') != std::string::npos;
    Share& share = draft.settings.models.emplace_back();
    if (has_shape) {
      share.name = text;
    } else if (why.empty()) {
      why = read_share(text, share.name, share.weight);
    }
  }
  return why;
}

std::string read_sizes(Values values, Draft& draft) {
  draft.settings.sizes.clear();
  for (const std::string& text : values) {
    std::string bytes;
    double weight = 1;
    std::string why = read_share(text, bytes, weight);
    if (!why.empty()) return why;
    const auto size = parse_bytes(bytes);
    if (!size || *size == 0) return text + " is not like 700, 100KB or 1MB=2 (size and share)";
    draft.settings.sizes.emplace_back(*size, weight);
  }
  return {};
}

std::string read_keys(Values values, Draft& draft) {
  draft.keys.clear();
  for (const std::string& text : values) {
    Tenant& tenant = draft.keys.emplace_back();
    std::string named;
    std::string why = read_share(text, named, tenant.weight);
    if (why.empty()) why = read_key(named, tenant.keys.emplace_back());
    // Not with its text: keys are secrets, and the share may be a part of one.
    if (!why.empty())
      return fmt::format("the one of number {}: {}", draft.keys.size(),
                         why.starts_with("the variable") ? why : "no share");
    tenant.name = fmt::format("key {}", draft.keys.size());
  }
  if (draft.keys.size() == 1) draft.keys.front().name.clear();
  return {};
}

std::string read_tenants(Values values, Draft& draft) {
  draft.settings.tenants.clear();
  for (const std::string& text : values) {
    constexpr std::string_view kForm = "one is not like acme=3 env://KEY1 env://KEY2";
    const size_t at = text.find('=');
    if (at == 0 || at == std::string::npos) return std::string(kForm);
    Tenant& tenant = draft.settings.tenants.emplace_back();
    tenant.name = text.substr(0, at);
    std::string rest = text.substr(at + 1);
    size_t end = std::min(rest.find(' '), rest.size());
    std::string why = read_number(rest.substr(0, end), 0.0, 1e9, tenant.weight);
    while (why.empty() && end < rest.size()) {
      const size_t begin = rest.find_first_not_of(' ', end);
      if (begin == std::string::npos) break;
      end = std::min(rest.find(' ', begin), rest.size());
      why = read_key(rest.substr(begin, end - begin), tenant.keys.emplace_back());
    }
    if (!why.empty()) return why;
  }
  return {};
}

std::string read_expectations(Values values, Draft& draft) {
  draft.settings.expectations.clear();
  for (const std::string& text : values) {
    const size_t at = text.find('=');
    const std::string figure = text.substr(0, at);
    if (at == std::string::npos) return text + " is not like 'latency.p99=at most 5ms'";
    if (!is_figure(figure)) {
      return figure + " is no figure of a report; those are: " + list_figures();
    }
    auto expectation = parse_expectation(figure, text.substr(at + 1));
    if (!expectation) return figure + " " + expectation.error();
    draft.settings.expectations.push_back(std::move(*expectation));
  }
  return {};
}

std::string read_freeze_pid(Values values, Draft& draft) {
  return read_number(values.front(), 0, 1 << 30, draft.settings.freeze.pid);
}
std::string read_receive_buffer(Values values, Draft& draft) {
  return read_number(values.front(), 0, 1 << 30, draft.receive_buffer);
}
std::string read_events(Values values, Draft& draft) {
  return read_number<uint64_t>(values.front(), 0, 1u << 30, draft.events);
}
std::string read_interval(Values values, Draft& draft) {
  return read_number(values.front(), 0.0, 1e7, draft.interval_ms);
}

constexpr uint64_t kCountMax = 1'000'000'000'000;
constexpr OptionKind kValue = OptionKind::kValue;
constexpr OptionKind kFlag = OptionKind::kFlag;
constexpr OptionKind kList = OptionKind::kList;
using S = Settings;

constexpr Option kOptions[] = {
    {"name", "", kValue, "of the run, for reports", text_into<&S::name>},
    {"target", "", kValue, "http://host:port of what is measured", text_for_later<&Draft::target>},
    {"path", "", kValue, "path of the requests", text_into<&S::path>},
    {"headers", "--header", kList, "'name: value', any number of times", read_headers},
    {"connections", "", kValue, "open at the same time", read_connections},
    {"rate", "", kValue,
     "open loop: requests a second, as 500, 100..5000 (a ramp) or 100@10s,500@20s (steps)",
     text_for_later<&Draft::rate>},
    {"arrivals", "", kValue, "of an open loop: even or poisson", read_arrivals},
    {"queue", "", kValue, "requests of an open loop that may wait for a connection",
     number_into<&S::queue_max, 1u, 10'000'000u>},
    {"requests", "", kValue, "in all; 0: until the duration ends",
     number_into<&S::requests, uint64_t{0}, kCountMax>},
    {"requests_per_connection", "--requests-per-connection,--streams-per-connection,--rounds",
     kValue, "on each connection; 0: until the duration ends",
     number_into<&S::per_connection, uint64_t{0}, kCountMax>},
    {"duration", "", kValue, "no request starts after it", text_for_later<&Draft::duration>},
    {"warm_up", "", kValue, "what begins within it is not counted", duration_into<&S::warm_up>},
    {"spread", "", kValue, "a closed loop's connections start evenly over it",
     text_for_later<&Draft::spread>},
    {"timeout", "", kValue, "a request without a byte for so long has failed",
     duration_into<&S::timeout>},
    {"finish", "", kValue, "given to running requests after the end", duration_into<&S::finish>},
    {"spin", "", kValue,
     "so long before a send the loop polls, not sleeps: precise, but a whole core",
     duration_into<&S::spin>},
    {"seed", "", kValue, "of all that is random", number_into<&S::seed, uint64_t{0}, kCountMax>},
    {"stream", "", kFlag, "ask for event streams, and accept nothing else", flag_into<&S::streams>},
    {"models", "--model", kList, "NAME=SHARE, any number of times", read_models},
    {"keys", "--key", kList, "API KEY=SHARE, or env://NAME=SHARE", read_keys},
    {"tenants", "--tenant", kList, "'NAME=SHARE KEY KEY', keys also as env://NAME", read_tenants},
    {"body", "", kValue, "file with the body; {{model}}, {{prompt}}, {{max_tokens}} are filled in",
     text_for_later<&Draft::body_file>},
    {"sizes", "--body-bytes", kList, "BYTES=SHARE of the bodies, any number of times", read_sizes},
    {"answer_tokens", "", kValue, "max_tokens of the requests; 0 leaves it out",
     number_into<&S::answer_tokens, uint64_t{0}, uint64_t{1'000'000}>},
    {"trace", "", kValue, "file with recorded traffic to send again", text_into<&S::trace_file>},
    {"speed", "", kValue, "of the trace's clock", number_into<&S::speed, 0.001, 1e6>},
    {"events", "", kValue, "tokens of a simulated answer (x-sim-tokens)", read_events},
    {"interval", "", kValue, "milliseconds between them; 0 is none", read_interval},
    {"stamps", "", kFlag, "measure each event's delay (x-sim-stamp)",
     flag_for_later<&Draft::stamps>},
    {"fixed", "", kFlag, "answers equal by byte (x-sim-fixed)", flag_for_later<&Draft::is_fixed>},
    {"reference", "", kValue, "file that each body must equal",
     text_for_later<&Draft::reference_file>},
    {"reference_url", "", kValue, "server that the same is asked first",
     text_for_later<&Draft::reference_url>},
    {"stall", "", kValue, "a gap between events above it is a stall", duration_into<&S::stall>},
    {"leave_at_event", "", kValue, "clients leave at this event; 0 is never",
     number_into<&S::leave_at_event, uint64_t{0}, kCountMax>},
    {"leave_share", "", kValue, "of the requests that do", number_into<&S::leave_share, 0.0, 1.0>},
    {"stats_url", "", kValue, "the simulated server behind the target",
     text_for_later<&Draft::stats_url>},
    {"freeze", "", kValue, "LENGTH@TIME, with --freeze-pid: stop that process for so long",
     text_for_later<&Draft::freeze>},
    {"freeze_pid", "", kValue, "the process, such as the upstream", read_freeze_pid},
    {"receive_buffer", "", kValue, "SO_RCVBUF of each connection", read_receive_buffer},
    {"phase", "", kValue, "of abort: connect, body, waiting or streaming",
     text_for_later<&Draft::phase>},
    {"expect", "", kList, "'FIGURE=RANGE', such as 'latency.p99=at most 5ms'", read_expectations},
};

}  // namespace

std::span<const Option> all_options() { return kOptions; }

const Option* find_option(std::string_view name) {
  const auto found = std::ranges::find(kOptions, name, &Option::name);
  return found == std::end(kOptions) ? nullptr : &*found;
}

}  // namespace sluice::load
