// A process with the look-ups of keys of one shard, told what to do by lines on standard input:
//
//   follow<TAB>id<TAB>configuration file
//   ask<TAB>id<TAB>secret
//
// Answers and log lines are lines of JSON on its standard output. It ends with its input.

#include <unistd.h>

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/config/loader.h>
#include <sluice/control/key_lookups.h>
#include <sluice/io/op.h>
#include <sluice/io/uring_kernel.h>
#include <sluice/json/writer.h>
#include <sluice/net/system_resolver.h>

namespace sluice {
namespace {

void print_line(const std::string& line) {
  std::fprintf(stdout, "%s\n", line.c_str());
  std::fflush(stdout);
}

class JsonLog final : public Logger {
 public:
  [[nodiscard]] bool is_enabled(LogLevel) const noexcept override { return true; }
  void write(LogLevel level, std::string_view, std::string_view message) override {
    std::string line;
    json::Writer(line)
        .begin_object()
        .key("level")
        .string(to_string(level))
        .key("log")
        .string(message)
        .end_object();
    print_line(line);
  }
};

std::vector<std::string> split(std::string_view line) {
  std::vector<std::string> words(1);
  for (const char byte : line) {
    if (byte == '\t') {
      words.emplace_back();
    } else {
      words.back() += byte;
    }
  }
  return words;
}

std::string_view word_of(auth::KeyAnswer::Kind kind) {
  switch (kind) {
    case auth::KeyAnswer::Kind::kFound: return "found";
    case auth::KeyAnswer::Kind::kNotFound: return "not_found";
    case auth::KeyAnswer::Kind::kFailed: break;
  }
  return "failed";
}

class Probe final : public io::TurnHook {
 public:
  explicit Probe(io::Ring& ring)
      : ring_(ring),
        returns_(ring),
        resolver_(ring),
        ports_(make_ports()),
        lookups_({.ring = ring,
                  .returns = returns_,
                  .resolver = resolver_,
                  .registry = registry_,
                  .log = log_,
                  .ports = ports_}) {}

  Task<void> read() {
    io::Op input(ring_);
    std::string text;
    for (;;) {
      char bytes[4096];
      input.read(STDIN_FILENO, bytes, sizeof bytes);
      co_await io::first_of(&input);
      if (input.result() <= 0) break;
      text.append(bytes, static_cast<size_t>(input.result()));
      for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
        obey(split(std::string_view(text).substr(0, end)));
        text.erase(0, end + 1);
      }
    }
    co_await lookups_.end();
    ring_.stop();
  }

  void serve() {
    ports_[0].connect(ring_);
    ring_.set_hook(*this);
    io::start_detached(read());
    ring_.run();
    ring_.clear_hook();
  }
  [[nodiscard]] bool has_work() const noexcept override {
    return commands_.has_message() || returns_.has_work();
  }
  void run() override {
    returns_.run();
    tell();
  }

 private:
  std::vector<control::KeyPort> make_ports() {
    std::vector<control::KeyPort> ports;
    ports.emplace_back(ShardId{0}, commands_, reports_);
    return ports;
  }

  void obey(const std::vector<std::string>& words) {
    if (words.at(0) == "follow") return follow(words.at(1), words.at(2));
    const std::string& secret = words.at(2);
    auth::KeyAsked asked;
    asked.question = {.secret = secret, .digest = crypto::sha256(secret)};
    asked.sources_end = UINT32_MAX;
    waiting_[asked.question.digest].push_back({words.at(1), ring_.now()});
    lookups_.on_asked(ShardId{0}, std::move(asked));
  }

  void follow(const std::string& id, const std::string& path) {
    const config::LoadOutcome loaded = config::load_file(path, config::SystemEnvironment());
    std::string line;
    json::Writer out(line);
    out.begin_object().key("id").string(id).key("errors").begin_array();
    for (const config::Diagnostic& error : loaded.errors) out.string(to_string(error));
    out.end_array().end_object();
    if (loaded.snapshot != nullptr) lookups_.follow(loaded.snapshot->auth, ++generation_);
    print_line(line);
  }

  void tell() {
    while (auto command = commands_.pop()) {
      const auto answered = std::get<std::unique_ptr<auth::LookupAnswered>>(std::move(*command));
      auto& line_up = waiting_[answered->digest];
      const auto [id, begun] = line_up.front();
      line_up.erase(line_up.begin());
      print(id, begun, *answered);
    }
  }

  void print(const std::string& id, MonoTime begun, const auth::LookupAnswered& answered) {
    const auto took = std::chrono::duration_cast<milliseconds>(ring_.now() - begun);
    std::string line;
    json::Writer out(line);
    out.begin_object().key("id").string(id).key("ms").integer(took.count());
    out.key("generation").unsigned_integer(answered.generation).key("said").begin_array();
    for (const auto& [source, answer] : answered.said) {
      const auto ttl = std::chrono::duration_cast<milliseconds>(answer.ttl);
      out.begin_object().key("source").unsigned_integer(source);
      out.key("kind").string(word_of(answer.kind)).key("reason").string(answer.reason);
      out.key("key").string(answer.record.id).key("user").string(answer.record.user);
      out.key("blocked").boolean(answer.record.is_blocked);
      out.key("limits").unsigned_integer(answer.record.limits.size());
      out.key("ttl_ms").integer(ttl.count()).end_object();
    }
    out.end_array().end_object();
    print_line(line);
  }

  struct Waiting {
    std::string id;
    MonoTime begun;
  };

  io::Ring& ring_;
  mutable io::OffloadReturns returns_;  // Its look takes a lock.
  net::SystemResolver resolver_;
  metrics::Registry registry_{1};
  JsonLog log_;
  control::KeyCommands commands_{1024};
  control::KeyReports reports_{1024};
  std::vector<control::KeyPort> ports_;
  control::KeyLookups lookups_;
  std::map<crypto::Digest, std::vector<Waiting>> waiting_;
  uint64_t generation_ = 0;
};

int run() {
  auto kernel = io::open_uring_kernel({.buffers_most = 64});
  if (!kernel) {
    std::fprintf(stderr, "%s\n", kernel.error().c_str());
    return 1;
  }
  io::SystemSyscalls syscalls;
  SystemClock clock;
  io::Ring ring(**kernel, syscalls, clock, {.hot = 64, .most = 64});
  Probe probe(ring);
  probe.serve();
  return 0;
}

}  // namespace
}  // namespace sluice

int main() { return sluice::run(); }
