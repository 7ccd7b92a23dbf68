#include "options.h"

#include <CLI/CLI.hpp>

#include "exit_status.h"

namespace sluice::app {

ParsedOptions parse_options(int argc, const char* const* argv) {
  CLI::App command("Sluice: an OpenAI-compatible gateway in front of inference servers.", "sluice");
  command.footer(
      "Signals: SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reads FILE anew;\n"
      "SIGUSR2 starts the program anew and gives it this one's place.\n"
      "Exit status: 0 success, 1 errors in FILE, 2 cannot start, 3 a drain that got stuck.");
  ParsedOptions parsed;
  std::string plain_path;
  command.add_option("-c,--config", plain_path, "the same as `run FILE`");
  command.require_subcommand(0, 1);

  CLI::App* run = command.add_subcommand("run", "serve as FILE says");
  run->add_option("FILE", parsed.options.config_path, "the configuration")->required();
  CLI::App* check = command.add_subcommand("check", "print everything that is wrong with FILE");
  check->add_option("FILE", parsed.options.config_path, "the configuration")->required();
  CLI::App* version = command.add_subcommand("version", "print the version");

  try {
    command.parse(argc, argv);
    if (*version) {
      parsed.options.verb = Verb::kVersion;
    } else if (*check) {
      parsed.options.verb = Verb::kCheck;
    } else if (!*run) {
      if (plain_path.empty()) throw CLI::CallForHelp();
      parsed.options.config_path = plain_path;
    }
    parsed.is_complete = true;
  } catch (const CLI::ParseError& error) {
    parsed.status = command.exit(error) == 0 ? kExitOk : kExitCannotStart;
  }
  return parsed;
}

}  // namespace sluice::app
