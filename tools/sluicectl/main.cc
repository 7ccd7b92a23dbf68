#include <array>
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>

#include "admin_client.h"
#include "render.h"

namespace sluice::sluicectl {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitRefused = 1;
constexpr int kExitNoAnswer = 2;  // Also a wrong command line.

struct Verb {
  const char* name;
  const char* purpose;
  const char* method;
  const char* path;
  std::string (*render)(const JsonValue& answer);
};

constexpr std::array<Verb, 5> kVerbs = {{
    {"version", "what runs, and with which configuration", "GET", "/v1/version", render_version},
    {"shards", "what each shard does", "GET", "/v1/shards", render_shards},
    {"upstreams", "what each upstream does", "GET", "/v1/upstreams", render_upstreams},
    {"reload", "read the configuration anew", "POST", "/v1/reload", render_reload},
    {"drain", "take no new work, let streams end, then exit", "POST", "/v1/drain", render_drain},
}};

int complain(const std::string& sentence) {
  std::fputs(("sluicectl: " + sentence + "\n").c_str(), stderr);
  return kExitNoAnswer;
}

int run(const Verb& verb, const std::string& socket_path, bool as_json) {
  const auto answer = ask(socket_path, verb.method, verb.path);
  if (!answer) return complain(answer.error());
  const bool is_refused = answer->status >= 300;
  if (as_json) {
    std::fputs(answer->body.c_str(), stdout);
    return is_refused ? kExitRefused : kExitOk;
  }
  const auto value = parse_json(answer->body);
  if (!value) return complain("the answer is not JSON; is this the admin socket of Sluice?");
  if (is_refused) {
    std::fputs(render_refusal(*value).c_str(), stderr);
    return kExitRefused;
  }
  std::fputs(verb.render(*value).c_str(), stdout);
  return kExitOk;
}

int main(int argc, char** argv) {
  CLI::App command("Speaks to a running Sluice on its admin socket.", "sluicectl");
  command.footer("Exit status: 0 done, 1 refused by Sluice, 2 no answer or a wrong command line.");
  std::string socket_path = default_socket();
  bool as_json = false;
  command.add_option("-s,--socket", socket_path, "the admin socket")->capture_default_str();
  command.add_flag("--json", as_json, "print the answer as it came");
  command.require_subcommand(1);
  command.fallthrough();
  std::array<CLI::App*, kVerbs.size()> verbs{};
  for (size_t i = 0; i < kVerbs.size(); ++i) {
    verbs[i] = command.add_subcommand(kVerbs[i].name, kVerbs[i].purpose);
  }
  try {
    command.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return command.exit(error) == 0 ? kExitOk : kExitNoAnswer;
  }
  for (size_t i = 0; i < kVerbs.size(); ++i) {
    if (*verbs[i]) return run(kVerbs[i], socket_path, as_json);
  }
  return kExitNoAnswer;
}

}  // namespace
}  // namespace sluice::sluicectl

int main(int argc, char** argv) { return sluice::sluicectl::main(argc, argv); }
