#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "command.h"
#include "key_file.h"
#include "run.h"

namespace sluice::sluicectl {
namespace {

// A command with the words that its parser finds.
struct Seat {
  const Command* command = nullptr;
  CLI::App* parser = nullptr;
  Given words;
  std::vector<unsigned char> flags;
};

std::string purpose_of(const Parameter& parameter) {
  std::string purpose(parameter.purpose);
  if (!parameter.choices.empty()) purpose += ": " + std::string(parameter.choices);
  if (!parameter.fallback.empty()) purpose += " [" + std::string(parameter.fallback) + "]";
  return purpose;
}

// Tells the parser of one parameter, which fills `words` or `flag`.
void add_parameter(CLI::App& parser, const Parameter& parameter, std::vector<std::string>& words,
                   unsigned char& flag) {
  const std::string name(parameter.is_option() ? parameter.name : parameter.member);
  if (parameter.kind == Kind::kFlag) {
    parser.add_flag_callback(name, [&flag] { flag = 1; }, std::string(parameter.purpose));
    return;
  }
  const std::string shown(parameter.is_option() ? name : std::string(parameter.name));
  CLI::Option* option = parser.add_option(shown, words, purpose_of(parameter));
  option->required(parameter.is_needed);
  option->type_name(parameter.is_option() ? "TEXT" : "");
  if (!parameter.is_many()) option->expected(1);
  option->allow_extra_args(false);  // A word each time that the option stands there.
  if (!parameter.choices.empty()) {
    std::vector<std::string> choices;
    for (const std::string_view choice : split(parameter.choices, '|')) {
      choices.emplace_back(choice);
    }
    option->check([choices](const std::string& word) {
      if (std::ranges::find(choices, word) != choices.end()) return std::string();
      std::string sentence = word + " is not one of:";
      for (const std::string& choice : choices) sentence += " " + choice;
      return sentence;
    });
  }
}

// Parsers of all commands below `root`. The seats stay where they are.
void add_commands(CLI::App& root, std::vector<Seat>& seats) {
  std::map<std::string_view, CLI::App*> parsers;
  for (const Group& group : groups()) {
    CLI::App* parser = root.add_subcommand(std::string(group.name), std::string(group.purpose));
    parser->require_subcommand(1);
    parsers[group.name] = parser;
  }
  seats.reserve(commands().size());
  for (const Command& command : commands()) {
    CLI::App& parent = command.group.empty() ? root : *parsers[command.group];
    Seat& seat = seats.emplace_back();
    seat.command = &command;
    seat.parser = parent.add_subcommand(std::string(command.name), std::string(command.purpose));
    seat.words.resize(command.parameters.size());
    seat.flags.resize(command.parameters.size());
    for (size_t i = 0; i < command.parameters.size(); ++i) {
      add_parameter(*seat.parser, command.parameters[i], seat.words[i], seat.flags[i]);
    }
  }
}

struct Globals {
  std::string socket;
  std::string url;
  std::string token_file;
  bool as_json = false;
  bool is_sure = false;
};

void add_globals(CLI::App& root, Globals& globals) {
  const auto add = [&root](const GlobalOption& option, auto& value) {
    const std::string names =
        (option.letter.empty() ? "" : std::string(option.letter) + ",") + std::string(option.name);
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, bool>) {
      root.add_flag(names, value, std::string(option.purpose));
    } else {
      root.add_option(names, value, std::string(option.purpose))
          ->type_name(std::string(option.value));
    }
  };
  for (const GlobalOption& option : global_options()) {
    if (option.name == "--socket") add(option, globals.socket);
    if (option.name == "--url") add(option, globals.url);
    if (option.name == "--token-file") add(option, globals.token_file);
    if (option.name == "--json") add(option, globals.as_json);
    if (option.name == "--yes") add(option, globals.is_sure);
  }
}

// Where to ask. The error is a sentence.
std::expected<Target, std::string> target_of(const Globals& globals) {
  Target target{.socket_path = globals.socket.empty() ? default_socket() : globals.socket};
  if (globals.url.empty()) {
    if (globals.token_file.empty()) return target;
    return std::unexpected("--token-file goes with --url; the socket asks for no key");
  }
  if (!globals.socket.empty()) return std::unexpected("give either --socket or --url");
  if (auto read = read_url(globals.url, target); !read) return std::unexpected(read.error());
  if (globals.token_file.empty()) {
    return std::unexpected("--url needs --token-file with a management key");
  }
  auto token = read_file(globals.token_file);
  if (!token) return std::unexpected(token.error());
  target.token = token->substr(0, token->find_first_of("\r\n"));
  const bool is_plain =
      std::ranges::all_of(target.token, [](char c) { return c > ' ' && c <= '~'; });
  if (target.token.empty() || !is_plain) {
    return std::unexpected("the first line of " + globals.token_file + " is not a key");
  }
  return target;
}

int main(int argc, char** argv) {
  CLI::App root{std::string(kPurpose), "sluicectl"};
  root.footer(std::string(kExitStatus));
  root.require_subcommand(1);
  root.fallthrough();
  Globals globals;
  add_globals(root, globals);
  std::vector<Seat> seats;
  add_commands(root, seats);
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return root.exit(error) == 0 ? kExitDone : kExitNoAnswer;
  }
  const auto seat =
      std::ranges::find_if(seats, [](const Seat& one) { return one.parser->parsed(); });
  if (seat == seats.end()) return kExitNoAnswer;
  for (size_t i = 0; i < seat->flags.size(); ++i) {
    if (seat->flags[i] != 0) seat->words[i] = {"true"};
  }
  auto target = target_of(globals);
  if (!target) return complain(target.error());
  return run(
      *seat->command, seat->words,
      {.target = *std::move(target), .as_json = globals.as_json, .is_sure = globals.is_sure});
}

}  // namespace
}  // namespace sluice::sluicectl

int main(int argc, char** argv) { return sluice::sluicectl::main(argc, argv); }
