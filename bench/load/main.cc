// sluice-load: load for gateways and inference servers, and what they made of it. bench/README.md
// says how to use it.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>

#include <CLI/CLI.hpp>

#include "execute.h"
#include "plan/options.h"
#include "plan/scenario.h"
#include "report/compare.h"

namespace sluice::load {
namespace {

constexpr int kRefused = 2;

int refuse(const std::string& why) {
  std::fprintf(stderr, "sluice-load: %s\n", why.c_str());
  return kRefused;
}

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// As typed; not looked at yet.
struct CommandLine {
  std::map<std::string_view, std::vector<std::string>> values;
  std::map<std::string_view, bool> flags;
  std::string scenario;
  std::string trace;
  std::string first, second;
  Outputs outputs;
};

std::string flags_of(const Option& option) {
  if (!option.flags.empty()) return std::string(option.flags);
  std::string flags = "--" + std::string(option.name);
  for (char& c : flags) c = c == '_' ? '-' : c;
  return flags;
}

void add_options(CLI::App& mode, CommandLine& line) {
  for (const Option& option : all_options()) {
    if (option.kind == OptionKind::kFlag) {
      mode.add_flag(flags_of(option), line.flags[option.name], std::string(option.help));
      continue;
    }
    CLI::Option* added =
        mode.add_option(flags_of(option), line.values[option.name], std::string(option.help));
    added->type_name("")->allow_extra_args(false);
    if (option.kind == OptionKind::kValue) {
      added->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
  }
  mode.add_option("--json", line.outputs.json_file, "file for the figures");
  mode.add_option("--html", line.outputs.html_file, "file for the page with plots");
  mode.add_flag("--progress", line.outputs.shows_progress, "a live line even without a terminal");
}

// Puts what was typed over what the scenario said.
std::string apply(const CommandLine& line, Draft& draft) {
  for (const Option& option : all_options()) {
    std::vector<std::string> values = line.values.contains(option.name)
                                          ? line.values.at(option.name)
                                          : std::vector<std::string>();
    if (line.flags.contains(option.name) && line.flags.at(option.name)) values = {"true"};
    if (values.empty()) continue;
    const std::string why = option.read(values, draft);
    if (!why.empty()) return flags_of(option) + ": " + why;
  }
  return {};
}

int run(const CommandLine& line, Draft draft) {
  Scenario scenario;
  if (!line.scenario.empty()) {
    const auto text = read_file(line.scenario);
    if (!text) return refuse(line.scenario + " cannot be read; check the path");
    const std::string why = read_scenario(*text, line.scenario, draft, scenario);
    if (!why.empty()) return refuse(why.substr(0, why.size() - 1));
  }
  if (!line.trace.empty()) draft.settings.trace_file = line.trace;
  std::string why = apply(line, draft);
  if (!why.empty()) return refuse(why);
  auto settings = finish(std::move(draft));
  if (!settings) return refuse(scenario.locate(settings.error()));
  const Execution execution = execute(*settings, line.outputs);
  if (!execution.obstacle.empty()) return refuse(scenario.locate(execution.obstacle));
  return execution.is_good ? 0 : 1;
}

int compare(const CommandLine& line) {
  std::vector<ReportFigures> reports;
  for (const std::string& file : {line.first, line.second}) {
    const auto text = read_file(file);
    if (!text) return refuse(file + " cannot be read; check the path");
    auto report = read_report(*text, file);
    if (!report) return refuse(report.error());
    reports.push_back(std::move(*report));
  }
  std::fputs(render_comparison(reports[0], reports[1]).c_str(), stdout);
  return 0;
}

}  // namespace
}  // namespace sluice::load

int main(int argc, char** argv) {
  using namespace sluice::load;
  CommandLine line;
  CLI::App app("Puts load on an OpenAI-compatible server and says what came back.");
  app.require_subcommand(1);
  const auto add = [&](const char* name, const char* what) {
    CLI::App* mode = app.add_subcommand(name, what);
    add_options(*mode, line);
    return mode;
  };
  CLI::App* run_mode = add("run", "a scenario, or what the options say");
  run_mode->add_option("scenario", line.scenario, "YAML file");
  CLI::App* trace = add("trace", "recorded traffic once more");
  trace->add_option("file", line.trace, "Azure CSV or Mooncake JSON lines")->required();
  CLI::App* streams = add("streams", "run with --stream and --spread 1s");
  add("unary", "run, by its older name");
  CLI::App* slow = add("slow-reader", "one client that takes its answer slowly (--rate 1KB/s)");
  CLI::App* abort = add("abort", "clients that leave, and when that is noticed");
  CLI::App* comparison = app.add_subcommand("compare", "two JSON reports side by side");
  comparison->add_option("A", line.first, "JSON report")->required();
  comparison->add_option("B", line.second, "JSON report")->required();
  CLI11_PARSE(app, argc, argv);
  if (*comparison) return compare(line);
  Draft draft;
  if (*streams || *slow || *abort) draft.settings.streams = true;
  if (*streams) draft.spread = "1s";
  if (*slow) draft.settings.mode = Mode::kSlowReader;
  if (*abort) draft.settings.mode = Mode::kAbort;
  return run(line, std::move(draft));
}
