// A process with one RedisClient, told what to do by lines on its standard input:
//
//   call<TAB>id<TAB>deadline_ms<TAB>key<TAB>word<TAB>word...[<TAB>|<TAB>key<TAB>word...]
//   script<TAB>id<TAB>deadline_ms<TAB>text<TAB>key<TAB>argument...
//   state<TAB>id
//
// Answers and log lines are lines of JSON on its standard output. It ends with its input.
// Options: --kind K --endpoint HOST:PORT (or a path) --master N --user U --database N --tls-ca FILE
// --tls-name NAME; passwords are read from REDIS_PASSWORD and SENTINEL_PASSWORD.

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/io/op.h>
#include <sluice/io/uring_kernel.h>
#include <sluice/json/writer.h>
#include <sluice/net/system_resolver.h>
#include <sluice/store/redis_client.h>

namespace sluice {
namespace {

using store::RedisReply;

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

void print(json::Writer& out, const RedisReply& reply) {
  switch (reply.kind) {
    case RedisReply::Kind::kNil: out.null(); return;
    case RedisReply::Kind::kStatus:
      out.begin_object().key("status").string(reply.text).end_object();
      return;
    case RedisReply::Kind::kError:
      out.begin_object().key("error").string(reply.text).end_object();
      return;
    case RedisReply::Kind::kInteger: out.integer(reply.integer); return;
    case RedisReply::Kind::kText: out.string(reply.text); return;
    case RedisReply::Kind::kList: {
      out.begin_array();
      for (const RedisReply& item : reply.items) print(out, item);
      out.end_array();
      return;
    }
  }
}

void print(json::Writer& out, const Result<RedisReply>& result) {
  if (result) return print(out, *result);
  out.begin_object().key("failure").string(to_string(result.error().code));
  out.key("detail").string(result.error().detail);
  out.key("may_have_run").boolean(result.error().retry == Retry::kNever).end_object();
}

std::vector<std::string> split(std::string_view line, char mark) {
  std::vector<std::string> words(1);
  for (const char byte : line) {
    if (byte == mark) {
      words.emplace_back();
    } else {
      words.back() += byte;
    }
  }
  return words;
}

int number_of(const std::string& text) { return std::atoi(text.c_str()); }

// The commands of a line, from word `first` on.
std::vector<store::RedisCommand> read_commands(const std::vector<std::string>& words,
                                               size_t first) {
  std::vector<store::RedisCommand> commands;
  bool is_key = true;
  for (size_t i = first; i < words.size(); ++i) {
    if (words[i] == "|") {
      is_key = true;
    } else if (std::exchange(is_key, false)) {
      commands.push_back({.arguments = {}, .key = words[i], .script = {}});
    } else {
      commands.back().arguments.push_back(words[i]);
    }
  }
  return commands;
}

class Probe {
 public:
  Probe(io::Ring& ring, net::Resolver& resolver, Logger& log, store::RedisOptions options)
      : ring_(ring), client_(ring, resolver, log, std::move(options)) {
    client_.start();
  }

  Task<void> run() {
    io::Op input(ring_);
    std::string text;
    for (;;) {
      char bytes[4096];
      input.read(STDIN_FILENO, bytes, sizeof bytes);
      co_await io::first_of(&input);
      if (input.result() <= 0) break;
      text.append(bytes, static_cast<size_t>(input.result()));
      for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
        obey(split(std::string_view(text).substr(0, end), '\t'));
        text.erase(0, end + 1);
      }
    }
    co_await client_.end();
    ring_.stop();
  }

 private:
  void obey(std::vector<std::string> words) {
    if (words.at(0) == "state") return print_state(words.at(1));
    const Deadline deadline = Deadline::after(ring_.now(), milliseconds(number_of(words.at(2))));
    if (words[0] == "call") {
      io::start_detached(answer(words[1], read_commands(words, 3), "", deadline));
      return;
    }
    const std::vector<std::string> keys = {words.at(4)};
    const std::vector<std::string> arguments(words.begin() + 5, words.end());
    io::start_detached(
        answer(words[1], {store::run_script("", keys, arguments)}, std::move(words[3]), deadline));
  }

  Task<void> answer(std::string id, std::vector<store::RedisCommand> commands, std::string script,
                    Deadline deadline) {
    const MonoTime begun = ring_.now();
    for (store::RedisCommand& command : commands) command.script = script;
    const std::vector<Result<RedisReply>> results =
        co_await client_.call(std::move(commands), deadline);
    const auto took = std::chrono::duration_cast<milliseconds>(ring_.now() - begun);
    std::string line;
    json::Writer out(line);
    out.begin_object().key("id").string(id).key("ms").integer(took.count()).key("results");
    out.begin_array();
    for (const auto& result : results) print(out, result);
    out.end_array().end_object();
    print_line(line);
  }

  void print_state(const std::string& id) {
    const store::RedisFigures figures = client_.figures();
    std::string line;
    json::Writer out(line);
    out.begin_object().key("id").string(id).key("is_up").boolean(client_.is_up());
    out.key("epoch").unsigned_integer(client_.epoch());
    out.key("commands").unsigned_integer(figures.commands);
    out.key("late").unsigned_integer(figures.late).key("lost").unsigned_integer(figures.lost);
    out.key("connected").unsigned_integer(figures.connected).end_object();
    print_line(line);
  }

  io::Ring& ring_;
  store::RedisClient client_;
};

std::string secret_of(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

store::RedisEndpoint read_endpoint(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (text.starts_with('/') || colon == std::string::npos) return {.host = text};
  return {.host = text.substr(0, colon),
          .port = static_cast<uint16_t>(number_of(text.substr(colon + 1)))};
}

bool read_option(store::RedisOptions& options, std::string_view name, const std::string& value) {
  if (name == "--endpoint") {
    options.endpoints.push_back(read_endpoint(value));
  } else if (name == "--kind") {
    options.kind = value == "cluster"    ? store::RedisOptions::Kind::kCluster
                   : value == "sentinel" ? store::RedisOptions::Kind::kSentinel
                                         : store::RedisOptions::Kind::kStandalone;
  } else if (name == "--master") {
    options.master = value;
  } else if (name == "--user") {
    options.username = value;
  } else if (name == "--database") {
    options.database = static_cast<uint32_t>(number_of(value));
  } else if (name == "--tls-ca") {
    std::ifstream file(value);
    options.tls = true;
    options.tls_ca_pem.assign(std::istreambuf_iterator<char>(file), {});
  } else if (name == "--tls-name") {
    options.tls_server_name = value;
  } else {
    return false;
  }
  return true;
}

int run(int count, char** words) {
  store::RedisOptions options;
  for (int i = 1; i + 1 < count; i += 2) {
    if (!read_option(options, words[i], words[i + 1])) return 2;
  }
  options.password = secret_of("REDIS_PASSWORD");
  options.sentinel_password = secret_of("SENTINEL_PASSWORD");
  options.seed = static_cast<uint64_t>(::getpid());
  auto kernel = io::open_uring_kernel({.buffers_most = 64});
  if (!kernel) {
    std::fprintf(stderr, "%s\n", kernel.error().c_str());
    return 1;
  }
  io::SystemSyscalls syscalls;
  SystemClock clock;
  io::Ring ring(**kernel, syscalls, clock, {.hot = 64, .most = 64});
  net::SystemResolver resolver(ring);
  JsonLog log;
  Probe probe(ring, resolver, log, std::move(options));
  io::start_detached(probe.run());
  ring.run();
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int count, char** words) { return sluice::run(count, words); }
