// sluice-sim: an OpenAI-compatible server that simulates inference. README.md says how to use it.
#include <signal.h>
#include <sys/resource.h>

#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "program.h"

namespace sluice::sim {
namespace {

struct CommandLine {
  std::string listen = "127.0.0.1:8090";
  std::string shards = "1";
  std::vector<std::string> models = {"sim-small", "sim-large", "sim-tools", "sim-echo",
                                     "sim-embedding"};
  std::string ttft, tps, tokens, shape;
  std::string certificate, key;
  uint64_t seed = 1;
  bool records = false;
};

int refuse(const std::string& why) {
  std::fprintf(stderr, "sluice-sim: %s\n", why.c_str());
  return 2;
}

std::optional<net::Address> parse_listen(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  const char* const end = text.data() + text.size();
  uint16_t port = 0;
  const auto [stopped, error] = std::from_chars(text.data() + colon + 1, end, port);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return net::parse_address(host, port);
}

// Empty when all of the command line's settings are right, else the one that is not.
std::string apply(const CommandLine& line, Standing& standing) {
  Shape& shape = standing.shape;
  if (!line.ttft.empty() && !shape.set("ttft", line.ttft)) return "--ttft: try 20ms";
  if (!line.tps.empty() && !shape.set("tps", line.tps)) return "--tps: try 100, or 0 for no pace";
  if (!line.tokens.empty() && !shape.set("tokens", line.tokens)) return "--tokens: try 64";
  if (!standing.set_all(line.shape)) return "--shape: try \"ttft=0&tps=0&tokens=100\"";
  return {};
}

// What clients are shown when they are to speak https.
struct Identity {
  std::optional<net::TlsIdentity> tls;
  net::TicketKeys tickets = net::TicketKeys::generate();
};

std::string read_file(const char* option, const std::string& path, std::string& out) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::string(option) + ": " + path + " cannot be read; check the path";
  out.assign(std::istreambuf_iterator<char>(file), {});
  return {};
}

std::string read_identity(const CommandLine& line, Identity& identity) {
  if (line.certificate.empty() != line.key.empty()) return "--certificate and --key go together";
  if (line.key.empty()) return {};
  std::string chain, key;
  std::string wrong = read_file("--certificate", line.certificate, chain);
  if (wrong.empty()) wrong = read_file("--key", line.key, key);
  identity.tls.emplace(net::TlsIdentity{
      .chain_pem = std::move(chain), .key_pem = crypto::Secret(key), .ocsp_der = {}, .names = {}});
  return wrong;
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);  // Failing costs only connections, which are then refused.
}

class Server {
 public:
  Server(Options options, const Standing& standing, Identity identity, uint32_t shards)
      : options_(std::move(options)),
        standing_(standing),
        identity_(std::move(identity)),
        tape_(options_.seed),
        figures_(shards),
        shard_count_(shards) {}

  // Empty when it listens, else why it does not.
  std::string start(net::Address address) {
    for (uint32_t i = 0; i < shard_count_; ++i) {
      io::SystemSyscalls syscalls;
      const auto fd = net::open_listener(syscalls, address, {.share_port = shard_count_ > 1});
      if (!fd) return fd.error();
      if (i == 0) {
        address.length = sizeof address.storage;
        auto* raw = reinterpret_cast<sockaddr*>(&address.storage);
        if (!syscalls.local_address(*fd, raw, &address.length)) return "getsockname failed";
      }
      auto tls = make_tls();
      if (!tls) return tls.error();
      auto shard = shard::Shard::start({.id = {i}}, [&, i, fd = *fd](io::Ring& ring) {
        auto program = std::make_unique<Program>(ring, i, fd, options_, standing_, tape_, figures_,
                                                 *std::move(tls));
        programs_.push_back(program.get());
        return program;
      });
      if (!shard) return shard.error();
      shards_.push_back(std::move(*shard));
    }
    address_ = address.to_text();
    return {};
  }

  // Where it listens, as a URL.
  [[nodiscard]] std::string url() const {
    return (identity_.tls ? "https://" : "http://") + address_;
  }

  ~Server() {
    for (size_t i = 0; i < shards_.size(); ++i) {
      programs_[i]->ask_to_end();
      shards_[i]->ring().wake();
    }
  }

 private:
  // Null without a certificate.
  std::expected<std::unique_ptr<net::TlsServer>, std::string> make_tls() const {
    if (!identity_.tls) return nullptr;
    return net::TlsServer::make({.identities = {&*identity_.tls}, .client_ca_pem = {}},
                                identity_.tickets);
  }

  Options options_;
  SharedStanding standing_;
  Identity identity_;
  Tape tape_;
  Figures figures_;
  uint32_t shard_count_;
  std::vector<Program*> programs_;  // Each lives as long as its shard.
  std::vector<std::unique_ptr<shard::Shard>> shards_;
  std::string address_;
};

int run(const CommandLine& line) {
  const auto address = parse_listen(line.listen);
  if (!address) return refuse("--listen: " + line.listen + " is no numeric address and port");
  uint32_t shards = shard::default_shard_count();
  if (line.shards != "auto") {
    const auto [end, error] =
        std::from_chars(line.shards.data(), line.shards.data() + line.shards.size(), shards);
    if (error != std::errc() || *end != '\0' || shards < 1 || shards > 256) {
      return refuse("--shards: a number from 1 to 256, or auto");
    }
  }
  Options options{.models = line.models, .records = line.records, .seed = line.seed};
  Standing standing;
  if (const std::string wrong = apply(line, standing); !wrong.empty()) return refuse(wrong);
  Identity identity;
  if (const std::string wrong = read_identity(line, identity); !wrong.empty()) return refuse(wrong);
  raise_descriptor_limit();
  // Blocked before any thread is born, so that only sigwait() takes them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  Server server(std::move(options), standing, std::move(identity), shards);
  if (const std::string failure = server.start(*address); !failure.empty()) return refuse(failure);
  std::printf("listening on %s\n", server.url().c_str());
  std::fflush(stdout);
  int caught = 0;
  sigwait(&signals, &caught);
  return 0;
}

}  // namespace
}  // namespace sluice::sim

int main(int argc, char** argv) {
  sluice::sim::CommandLine line;
  CLI::App app("An OpenAI-compatible server that simulates inference, for tests and benchmarks.");
  app.add_option("--listen", line.listen, "address and port; port 0 picks a free one");
  app.add_option("--shards", line.shards, "threads, or auto for one per core");
  app.add_option("--models", line.models, "names that /v1/models lists")->delimiter(',');
  app.add_option("--ttft", line.ttft, "time to the first token, e.g. 20ms");
  app.add_option("--tps", line.tps, "tokens a second; 0 is as fast as possible");
  app.add_option("--tokens", line.tokens, "tokens an answer");
  app.add_option("--shape", line.shape, "any settings as \"ttft=0&fault=crlf\"");
  app.add_option("--certificate", line.certificate, "PEM chain; clients speak https then");
  app.add_option("--key", line.key, "its private key, PEM");
  app.add_option("--seed", line.seed,
                 "of the words that are said and of what happens to a share of requests");
  app.add_flag("--record", line.records, "keep the last request for /sim/last");
  CLI11_PARSE(app, argc, argv);
  return sluice::sim::run(line);
}
