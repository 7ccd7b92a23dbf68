// A process with one source of keys, told what to do by lines on its standard input:
//
//   ask<TAB>id<TAB>deadline_ms<TAB>secret
//
// Answers and log lines are lines of JSON on its standard output. It ends with its input.
// The first word is `database` or `jwt`. Options of a database: --driver postgres|mysql --host H
// --port P --user U --database D --tls-ca FILE --table T --key-column C --columns C=FIELD,...
// --plain 1; the password is read from SQL_PASSWORD. Of a JWT source: --issuer URL --jwks-url URL
// --audience A --claims CLAIM=FIELD,... --tls-ca FILE.

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/auth/database_source.h>
#include <sluice/auth/jwt_source.h>
#include <sluice/io/op.h>
#include <sluice/io/uring_kernel.h>
#include <sluice/json/writer.h>
#include <sluice/net/system_resolver.h>

namespace sluice {
namespace {

using auth::KeyAnswer;

void print_line(const std::string& line) {
  std::fprintf(stdout, "%s\n", line.c_str());
  std::fflush(stdout);
}

class JsonLog final : public Logger {
 public:
  [[nodiscard]] bool is_enabled(LogLevel) const noexcept override { return true; }
  void write(LogLevel level, std::string_view, std::string_view message) override {
    std::string line;
    json::Writer out(line);
    out.begin_object().key("level").string(to_string(level)).key("log").string(message);
    out.end_object();
    print_line(line);
  }
};

class ReturnsHook final : public io::TurnHook {
 public:
  explicit ReturnsHook(io::OffloadReturns& returns) noexcept : returns_(returns) {}
  [[nodiscard]] bool has_work() const noexcept override { return returns_.has_work(); }
  void run() override { returns_.run(); }

 private:
  io::OffloadReturns& returns_;
};

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

std::string describe(const std::string& id, const KeyAnswer& answer) {
  static constexpr std::string_view kKinds[] = {"found", "not_found", "failed"};
  std::string line;
  json::Writer out(line);
  out.begin_object().key("id").string(id);
  out.key("kind").string(kKinds[static_cast<size_t>(answer.kind)]);
  out.key("reason").string(answer.reason);
  if (answer.kind == KeyAnswer::Kind::kFound) {
    const auth::KeyRecord& record = answer.record;
    out.key("key").string(record.id).key("name").string(record.name);
    out.key("team").string(record.team).key("user").string(record.user);
    out.key("is_blocked").boolean(record.is_blocked);
    out.key("expires").integer(record.expires ? record.expires->unix_us / 1'000'000 : 0);
    out.key("ttl_s").integer(answer.ttl / seconds(1));
    out.key("limits").unsigned_integer(record.limits.size());
    out.key("models").begin_array();
    for (const std::string& model : record.models) out.string(model);
    out.end_array();
  }
  out.end_object();
  return line;
}

class Probe {
 public:
  Probe(io::Ring& ring, std::unique_ptr<auth::KeySource> source)
      : ring_(ring), source_(std::move(source)) {
    source_->start();
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
        const std::vector<std::string> words = split(std::string_view(text).substr(0, end), '\t');
        io::start_detached(answer(words.at(1), std::atoi(words.at(2).c_str()), words.at(3)));
        text.erase(0, end + 1);
      }
    }
    co_await source_->end();
    ring_.stop();
  }

 private:
  Task<void> answer(std::string id, int deadline_ms, std::string secret) {
    const auth::KeyQuestion question{.secret = secret, .digest = crypto::sha256(secret)};
    const Deadline deadline = Deadline::after(ring_.now(), milliseconds(deadline_ms));
    const KeyAnswer answer = co_await source_->ask(question, deadline);
    print_line(describe(id, answer));
  }

  io::Ring& ring_;
  std::unique_ptr<auth::KeySource> source_;
};

std::vector<std::pair<std::string, std::string>> read_pairs(const std::string& text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& word : split(text, ',')) {
    const size_t mark = word.rfind('=');
    pairs.emplace_back(word.substr(0, mark), word.substr(mark + 1));
  }
  return pairs;
}

bool read_sql_option(config::SqlSettings& sql, std::string_view name, const std::string& value) {
  if (name == "--driver") {
    sql.driver = value == "mysql" ? config::SqlDriver::kMysql : config::SqlDriver::kPostgres;
  } else if (name == "--host") {
    sql.host = value;
  } else if (name == "--port") {
    sql.port = static_cast<uint16_t>(std::atoi(value.c_str()));
  } else if (name == "--user") {
    sql.user = value;
  } else if (name == "--database") {
    sql.database = value;
  } else {
    return false;
  }
  return true;
}

bool read_option(config::SourceSettings& settings, std::string_view name,
                 const std::string& value) {
  if (name == "--tls-ca") {
    settings.tls_ca = settings.sql->tls_ca = value;
  } else if (name == "--table") {
    settings.table = value;
  } else if (name == "--key-column") {
    settings.key_column = value;
  } else if (name == "--columns") {
    settings.columns = read_pairs(value);
  } else if (name == "--plain") {
    settings.key_form = config::SecretForm::kPlain;
  } else if (name == "--issuer") {
    settings.issuer = value;
  } else if (name == "--jwks-url") {
    settings.jwks_url = value;
  } else if (name == "--audience") {
    settings.audiences.push_back(value);
  } else if (name == "--claims") {
    settings.claims = read_pairs(value);
  } else {
    return read_sql_option(*settings.sql, name, value);
  }
  return true;
}

std::string read_file(const std::string& path) {
  if (path.empty()) return "";
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

int run(int count, char** words) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::string kind = count > 1 ? words[1] : "";
  config::SourceSettings settings;
  settings.name = kind;
  settings.private_addresses = true;
  settings.sql.emplace();
  for (int i = 2; i + 1 < count; i += 2) {
    if (!read_option(settings, words[i], words[i + 1])) return 2;
  }
  if (const char* password = std::getenv("SQL_PASSWORD")) settings.sql->password = password;
  auto kernel = io::open_uring_kernel({.buffers_most = 64});
  if (!kernel) {
    std::fprintf(stderr, "%s\n", kernel.error().c_str());
    return 1;
  }
  io::SystemSyscalls syscalls;
  SystemClock clock;
  io::Ring ring(**kernel, syscalls, clock, {.hot = 64, .most = 64});
  io::OffloadReturns returns(ring);
  ReturnsHook hook(returns);
  ring.set_hook(hook);
  net::SystemResolver resolver(ring);
  JsonLog log;
  std::unique_ptr<auth::KeySource> source;
  if (kind == "database") {
    auto made =
        auth::DatabaseSource::make({.ring = ring, .returns = returns, .log = log}, settings);
    if (!made) return 2;
    source = *std::move(made);
  } else {
    source = std::make_unique<auth::JwtSource>(ring, resolver, log, settings,
                                               read_file(settings.tls_ca));
  }
  Probe probe(ring, std::move(source));
  io::start_detached(probe.run());
  ring.run();
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int count, char** words) { return sluice::run(count, words); }
