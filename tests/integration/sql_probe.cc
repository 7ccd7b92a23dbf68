// A process with one SqlDb, told what to do by lines on its standard input; it answers each with a
// line of JSON on its standard output, and ends with its input.
//
//   query<TAB>deadline_ms<TAB>statement[<TAB>parameter...]      "\N" is NULL
//   execute<TAB>deadline_ms<TAB>statement[<TAB>parameter...]
//
// Options: --driver postgres|mysql --host H --port P --user U --database D --tls-ca FILE
// --timeout-ms N --no-tls 1; the password is read from SQL_PASSWORD.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/json/writer.h>
#include <sluice/store/sql_db.h>

namespace sluice {
namespace {

using store::SqlFault;
using store::SqlText;

int number_of(const std::string& text) { return std::atoi(text.c_str()); }

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

std::string_view kind_of(const SqlFault& fault) {
  switch (fault.kind) {
    case SqlFault::Kind::kUnreachable: return "unreachable";
    case SqlFault::Kind::kTimeout: return "timeout";
    case SqlFault::Kind::kRefused: return "refused";
    case SqlFault::Kind::kInterrupted: return "interrupted";
  }
  return "";
}

void print(json::Writer& out, const SqlFault& fault) {
  out.key("fault").string(kind_of(fault)).key("text").string(fault.text);
  out.key("sqlstate").string(fault.sqlstate).key("may_have_run").boolean(fault.may_have_run);
}

void print(json::Writer& out, const std::vector<store::SqlRow>& rows) {
  out.key("rows").begin_array();
  for (const store::SqlRow& row : rows) {
    out.begin_array();
    for (const SqlText& value : row) {
      if (value) {
        out.string(*value);
      } else {
        out.null();
      }
    }
    out.end_array();
  }
  out.end_array();
}

std::string obey(store::SqlDb& db, const std::vector<std::string>& words) {
  std::vector<SqlText> parameters;
  for (size_t i = 3; i < words.size(); ++i) {
    parameters.push_back(words[i] == "\\N" ? SqlText() : SqlText(words[i]));
  }
  SystemClock clock;
  const Deadline deadline = Deadline::after(clock.now(), milliseconds(number_of(words.at(1))));
  std::string line;
  json::Writer out(line);
  out.begin_object();
  if (words[0] == "query") {
    const auto rows = db.query(words.at(2), parameters, deadline);
    rows ? print(out, rows->rows) : print(out, rows.error());
  } else if (const auto changed = db.execute(words.at(2), parameters, deadline)) {
    out.key("changed").unsigned_integer(*changed);
  } else {
    print(out, changed.error());
  }
  out.end_object();
  return line;
}

bool read_option(store::SqlOptions& options, std::string_view name, const std::string& value) {
  if (name == "--driver") {
    options.driver = value == "mysql" ? store::SqlDriver::kMysql : store::SqlDriver::kPostgres;
  } else if (name == "--host") {
    options.host = value;
  } else if (name == "--port") {
    options.port = static_cast<uint16_t>(number_of(value));
  } else if (name == "--user") {
    options.user = value;
  } else if (name == "--database") {
    options.database = value;
  } else if (name == "--tls-ca") {
    options.tls_ca_file = value;
  } else if (name == "--timeout-ms") {
    options.timeout = milliseconds(number_of(value));
  } else if (name == "--no-tls") {
    options.tls = false;
  } else {
    return false;
  }
  return true;
}

int run(int count, char** words) {
  std::signal(SIGPIPE, SIG_IGN);
  store::SqlOptions options;
  for (int i = 1; i + 1 < count; i += 2) {
    if (!read_option(options, words[i], words[i + 1])) return 2;
  }
  if (const char* password = std::getenv("SQL_PASSWORD")) options.password = password;
  const auto db = store::make_sql_db(std::move(options));
  for (std::string line; std::getline(std::cin, line);) {
    std::fprintf(stdout, "%s\n", obey(*db, split(line)).c_str());
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int count, char** words) { return sluice::run(count, words); }
