// sluice-load: load for gateways and inference servers, and what they made of it. bench/README.md
// says how to use it.
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>

#include <CLI/CLI.hpp>

#include <sluice/io/uring_kernel.h>

#include "command_line.h"
#include "report.h"

namespace sluice::load {
namespace {

constexpr int kMissed = 1;  // Something failed, or nothing completed.
constexpr int kRefused = 2;

int refuse(const std::string& why) {
  std::fprintf(stderr, "sluice-load: %s\n", why.c_str());
  return kRefused;
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);  // Failing costs only connections, which are then counted.
}

int open_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &signals, SFD_CLOEXEC);
}

int run(const CommandLine& line) {
  auto settings = to_settings(line);
  if (!settings) return refuse(settings.error());
  settings->shows_progress = isatty(STDERR_FILENO) == 1;
  const bool shows_progress = settings->shows_progress;
  raise_descriptor_limit();
  auto kernel = io::open_uring_kernel({});
  if (!kernel) return refuse(kernel.error());
  io::SystemSyscalls syscalls;
  SystemClock clock;
  io::Ring ring(**kernel, syscalls, clock, {});
  Run run(ring, std::move(*settings), open_signals());
  io::start_detached(run.live());
  ring.run();
  if (shows_progress) std::fputc('\n', stderr);
  if (!run.obstacle().empty()) return refuse(run.obstacle());
  std::fputs(render_table(run).c_str(), stdout);
  if (!line.json_file.empty()) {
    std::ofstream file(line.json_file);
    file << render_json(run) << '\n';
    if (!file.flush()) return refuse("--json: " + line.json_file + " cannot be written");
  }
  return is_good(run) ? 0 : kMissed;
}

void add_shared(CLI::App& mode, CommandLine& line) {
  mode.add_option("--target", line.target, "http://host:port of what is measured")->required();
  mode.add_option("--path", line.path, "path of the requests");
  mode.add_option("--model", line.model, "model that the requests ask for");
  mode.add_option("--duration", line.duration, "no request starts after it");
  mode.add_option("--timeout", line.timeout, "a request without a byte for so long has failed");
  mode.add_option("--header", line.headers, "'name: value', any number of times");
  mode.add_option("--body", line.body_file, "file with the request body");
  mode.add_option("--body-bytes", line.body_bytes, "length of the made body");
  mode.add_option("--receive-buffer", line.receive_buffer, "SO_RCVBUF of each connection");
  mode.add_option("--json", line.json_file, "file for the figures");
}

void add_events(CLI::App& mode, CommandLine& line) {
  mode.add_option("--events", line.events, "tokens of a simulated answer (x-sim-tokens)");
  mode.add_option("--interval", line.interval_ms, "milliseconds between them; 0 is none");
}

void add_streams(CLI::App& app, CommandLine& line) {
  CLI::App* mode = app.add_subcommand("streams",
                                      "streamed answers, one after another on each "
                                      "connection");
  add_shared(*mode, line);
  add_events(*mode, line);
  mode->add_option("--connections", line.connections, "at the same time")
      ->check(CLI::Range(1u, 1'000'000u));
  mode->add_option("--streams-per-connection", line.per_connection, "0: until the duration ends");
  mode->add_option("--spread", line.spread, "the connections start evenly over it");
  mode->add_flag("--stamps", line.stamps, "measure each event's delay (x-sim-stamp)");
  mode->add_flag("--fixed", line.is_fixed, "answers equal by byte (x-sim-fixed)");
  mode->add_option("--reference", line.reference_file, "file that each body must equal");
  mode->add_option("--reference-url", line.reference_url, "server that the same is asked first");
  mode->callback([&line] { line.mode = Mode::kStreams; });
}

void add_others(CLI::App& app, CommandLine& line) {
  CLI::App* unary = app.add_subcommand("unary", "whole answers, as many as there is time for");
  add_shared(*unary, line);
  add_events(*unary, line);
  unary->add_option("--connections", line.connections, "at the same time")
      ->check(CLI::Range(1u, 1'000'000u));
  unary->add_option("--warm-up", line.warm_up, "what begins within it is not counted");
  unary->callback([&line] { line.mode = Mode::kUnary; });

  CLI::App* slow = app.add_subcommand("slow-reader", "one client that takes its answer slowly");
  add_shared(*slow, line);
  add_events(*slow, line);
  slow->add_option("--rate", line.rate, "e.g. 1KB/s");
  slow->callback([&line] { line.mode = Mode::kSlowReader; });

  CLI::App* abort = app.add_subcommand("abort", "clients that leave, and when that is noticed");
  add_shared(*abort, line);
  add_events(*abort, line);
  abort->add_option("--phase", line.phase, "connect, body, waiting or streaming");
  abort->add_option("--rounds", line.per_connection, "how often");
  abort->add_option("--stats-url", line.stats_url, "the simulated server behind the target");
  abort->callback([&line] { line.mode = Mode::kAbort; });
}

}  // namespace
}  // namespace sluice::load

int main(int argc, char** argv) {
  sluice::load::CommandLine line;
  CLI::App app("Puts load on an OpenAI-compatible server and says what came back.");
  app.require_subcommand(1);
  sluice::load::add_streams(app, line);
  sluice::load::add_others(app, line);
  CLI11_PARSE(app, argc, argv);
  return sluice::load::run(line);
}
