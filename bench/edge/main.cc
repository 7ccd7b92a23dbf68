// sluice-assault: clients that mean harm, many at a time, and what became of each.
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <sluice/base/units.h>
#include <sluice/io/uring_kernel.h>

#include "assault.h"

namespace sluice::edge {
namespace {

constexpr int kRefused = 2;
constexpr uint32_t kConnectionsMax = 100'000;
constexpr double kRateMax = 1e6;

struct CommandLine {
  std::string attack;
  std::string target;
  std::string path = "/v1/chat/completions";
  std::vector<std::string> headers;
  std::string hello_file;
  std::string length = "10s";
  std::string step;
  uint32_t connections = 100;
  uint32_t sources = 32;
  double rate = 1000;
  bool shows_progress = false;
};

int refuse(const std::string& why) {
  std::fprintf(stderr, "sluice-assault: %s\n", why.c_str());
  return kRefused;
}

void add_options(CLI::App& app, CommandLine& line) {
  app.add_option("attack", line.attack, fmt::format("one of: {}", fmt::join(kAttackNames, ", ")))
      ->required();
  app.add_option("--target", line.target, "127.0.0.1:port; nothing else is attacked")->required();
  app.add_option("--path", line.path, "of the requests");
  app.add_option("--header", line.headers, "'name: value', any number of times");
  app.add_option("--hello", line.hello_file, "file with a recorded ClientHello");
  app.add_option("--connections", line.connections, "at one time");
  app.add_option("--rate", line.rate, "new connections a second, at most");
  app.add_option("--sources", line.sources, "addresses that they come from: 127.0.0.2 and on");
  app.add_option("--for", line.length, "as 60s");
  app.add_option("--step", line.step, "between two bytes; default: the attack's own");
  app.add_flag("--progress", line.shows_progress, "a line each second, on stderr");
}

// The loopback is the only target, so that this cannot hurt anybody else.
std::optional<net::Address> read_target(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || !text.starts_with("127.")) return std::nullopt;
  unsigned port = 0;
  const char* end = text.data() + text.size();
  const auto [at, fault] = std::from_chars(text.data() + colon + 1, end, port);
  if (fault != std::errc{} || at != end || port == 0 || port > 65535) return std::nullopt;
  return net::parse_address(text.substr(0, colon), static_cast<uint16_t>(port));
}

std::vector<net::Address> make_sources(uint32_t count) {
  std::vector<net::Address> sources;
  for (uint32_t i = 0; i < count; ++i) {
    const auto address =
        net::parse_address(fmt::format("127.0.{}.{}", (i + 2) / 250, (i + 2) % 250), 0);
    if (address) sources.push_back(*address);
  }
  return sources;
}

// The error is a sentence.
std::expected<Attack, std::string> read_attack(const CommandLine& line) {
  AttackOptions options{.path = line.path, .headers = {}, .client_hello = {}};
  for (const std::string& header : line.headers) options.headers += header + "\r\n";
  if (!line.step.empty()) {
    const auto step = parse_duration(line.step);
    if (!step || *step < milliseconds(1)) return std::unexpected("--step: 1ms or more, as in 2s");
    options.step = *step;
  }
  if (!line.hello_file.empty()) {
    std::ifstream file(line.hello_file, std::ios::binary);
    options.client_hello.assign(std::istreambuf_iterator<char>(file), {});
    if (options.client_hello.empty()) {
      return std::unexpected("--hello: " + line.hello_file + " cannot be read; check the path");
    }
  }
  return make_attack(line.attack, options);
}

std::expected<AssaultSettings, std::string> read_settings(const CommandLine& line) {
  AssaultSettings settings{.target = {}, .sources = {}};
  const auto target = read_target(line.target);
  if (!target) return std::unexpected("--target: looks like 127.0.0.1:8080");
  const auto length = parse_duration(line.length);
  if (!length || *length < milliseconds(1) || *length > std::chrono::hours(1)) {
    return std::unexpected("--for: 1ms to 1h, as in 60s");
  }
  if (line.connections < 1 || line.connections > kConnectionsMax) {
    return std::unexpected(fmt::format("--connections: 1 to {}", kConnectionsMax));
  }
  if (!(line.rate > 0) || line.rate > kRateMax) {
    return std::unexpected(fmt::format("--rate: above 0, at most {:.0f}", kRateMax));
  }
  if (line.sources < 1 || line.sources > 10'000) return std::unexpected("--sources: 1 to 10000");
  settings.target = *target;
  settings.sources = make_sources(line.sources);
  settings.connections = line.connections;
  settings.rate = line.rate;
  settings.length = *length;
  settings.shows_progress = line.shows_progress;
  return settings;
}

int open_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

// Empty, or why so many connections cannot be had.
std::string raise_descriptor_limit(uint32_t connections) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (connections + 64 <= limit.rlim_max) return {};
  return fmt::format("--connections: {} need more descriptors than the {} of `ulimit -Hn`",
                     connections, limit.rlim_max);
}

int run(const CommandLine& line) {
  const auto attack = read_attack(line);
  if (!attack) return refuse(attack.error());
  const auto settings = read_settings(line);
  if (!settings) return refuse(settings.error());
  const std::string why = raise_descriptor_limit(line.connections);
  if (!why.empty()) return refuse(why);
  const int stop_fd = open_signals();
  auto kernel = io::open_uring_kernel({});
  if (!kernel) return refuse(kernel.error());
  io::SystemSyscalls syscalls;
  SystemClock clock;
  io::Ring ring(**kernel, syscalls, clock, {});
  Assault assault(ring, *attack, *settings, stop_fd);
  assault.live();
  std::puts(assault.outcomes.json(attack->name, assault.took()).c_str());
  return 0;
}

}  // namespace
}  // namespace sluice::edge

int main(int argc, char** argv) {
  sluice::edge::CommandLine line;
  CLI::App app("Attacks a server on this machine, for a while, and says what became of it.");
  sluice::edge::add_options(app, line);
  CLI11_PARSE(app, argc, argv);
  return sluice::edge::run(line);
}
