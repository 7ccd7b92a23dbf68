// sluice-canned: what it can be told on the command line.

#include <bare_ring.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>

#include <CLI/CLI.hpp>

#include <sluice/base/units.h>

#include "server.h"

namespace {

struct CommandLine {
  std::string listen = "127.0.0.1:0";
  std::string port_file;
  std::string period;
  uint32_t burst = 50;
  uint32_t events = 500;
};

int refuse(const char* why) {
  std::fprintf(stderr, "sluice-canned: %s\n", why);
  return 2;
}

int run(const CommandLine& line) {
  auto address = sluice::bare::parse_address(line.listen);
  if (!address) return refuse("--listen: looks like 127.0.0.1:8090");
  sluice::canned::Manner manner{.events = line.burst};
  if (!line.period.empty()) {
    const auto period = sluice::parse_duration(line.period);
    if (!period || *period < std::chrono::microseconds(100)) {
      return refuse("--paced: a duration of at least 100us, as in 20ms");
    }
    manner = {.events = line.events, .period_ns = period->count()};
  }
  sluice::bare::raise_descriptor_limit();
  sluice::canned::Server server(sluice::bare::listen_on(*address), manner);
  sluice::bare::announce(*address, line.port_file);
  server.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine line;
  CLI::App app("An upstream that answers every request with the same bytes, as cheaply as it can.");
  app.add_option("--listen", line.listen, "where to listen; port 0 is any");
  app.add_option("--port-file", line.port_file, "file that gets the port");
  app.add_option("--burst", line.burst, "events of a stream, all in one write");
  app.add_option("--paced", line.period, "instead: time between two events of a stream");
  app.add_option("--events", line.events, "events of a paced stream");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(line);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "sluice-canned: %s\n", failure.what());
    return 1;
  }
}
