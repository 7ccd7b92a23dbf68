#include <algorithm>
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

// What is told to one upstream.
struct Order {
  const char* name;
  const char* purpose;
  const char* verb;  // The end of the path.
  bool has_length;
};

constexpr std::array<Order, 4> kOrders = {{
    {"cooldown", "give an upstream no requests for a time, such as 30s", "cooldown", true},
    {"clear", "end an upstream's cooldown, open breaker and ejection", "clear", false},
    {"drain-upstream", "give an upstream no new requests", "drain", false},
    {"undrain-upstream", "give a drained upstream requests again", "undrain", false},
}};

int complain(const std::string& sentence) {
  std::fputs(("sluicectl: " + sentence + "\n").c_str(), stderr);
  return kExitNoAnswer;
}

// Whether it can stand in a path, or in a JSON string, as it is.
bool is_plain(const std::string& text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return c > ' ' && c <= '~' && c != '?' && c != '#' && c != '%' && c != '"' && c != '\\';
  });
}

int run(const Verb& verb, const std::string& socket_path, bool as_json,
        const std::string& body = {}) {
  const auto answer = ask(socket_path, verb.method, verb.path, body);
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

int run(const Order& order, const std::string& upstream, const std::string& length,
        const std::string& socket_path, bool as_json) {
  if (!is_plain(upstream) || (order.has_length && !is_plain(length))) {
    return complain("no upstream or time can be called that; sluicectl upstreams lists the names");
  }
  const std::string path = "/v1/upstreams/" + upstream + "/" + order.verb;
  const Verb verb{order.name, order.purpose, "POST", path.c_str(), render_order};
  return run(verb, socket_path, as_json, order.has_length ? "{\"for\":\"" + length + "\"}" : "");
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
  std::string upstream, length;
  std::array<CLI::App*, kOrders.size()> orders{};
  for (size_t i = 0; i < kOrders.size(); ++i) {
    orders[i] = command.add_subcommand(kOrders[i].name, kOrders[i].purpose);
    orders[i]->add_option("upstream", upstream, "its name")->required();
    if (kOrders[i].has_length) orders[i]->add_option("time", length, "how long")->required();
  }
  std::string by = "key", window = "month";
  CLI::App* spend = command.add_subcommand("spend", "what was spent, the most expensive first");
  spend->add_option("--by", by, "key, tenant or model")
      ->check(CLI::IsMember({"key", "tenant", "model"}))
      ->capture_default_str();
  spend->add_option("--window", window, "the present day, week or month of UTC, or total")
      ->check(CLI::IsMember({"day", "week", "month", "total"}))
      ->capture_default_str();
  try {
    command.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return command.exit(error) == 0 ? kExitOk : kExitNoAnswer;
  }
  for (size_t i = 0; i < kVerbs.size(); ++i) {
    if (*verbs[i]) return run(kVerbs[i], socket_path, as_json);
  }
  for (size_t i = 0; i < kOrders.size(); ++i) {
    if (*orders[i]) return run(kOrders[i], upstream, length, socket_path, as_json);
  }
  if (*spend) {
    const std::string path = "/v1/spend/" + by + "/" + window;
    return run({"spend", "", "GET", path.c_str(), render_spend}, socket_path, as_json);
  }
  return kExitNoAnswer;
}

}  // namespace
}  // namespace sluice::sluicectl

int main(int argc, char** argv) { return sluice::sluicectl::main(argc, argv); }
