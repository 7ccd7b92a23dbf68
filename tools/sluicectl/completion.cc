#include "completion.h"

#include <algorithm>
#include <set>
#include <vector>

#include "command.h"

namespace sluice::sluicectl {
namespace {

// A word that may stand somewhere.
struct Word {
  std::string text;
  std::string_view purpose;
};
using Words = std::vector<Word>;

bool takes_value(const Parameter& parameter) {
  return parameter.is_option() && parameter.kind != Kind::kFlag;
}

bool is_file(const Parameter& parameter) {
  return parameter.kind == Kind::kFile || parameter.kind == Kind::kKeyFile;
}

// All options that the next word belongs to, as a pattern of `case`.
std::string options_with_values() {
  std::set<std::string> names;
  for (const GlobalOption& option : global_options()) {
    if (option.value.empty()) continue;
    names.emplace(option.name);
    if (!option.letter.empty()) names.emplace(option.letter);
  }
  for (const Command& command : commands()) {
    for (const Parameter& parameter : command.parameters) {
      if (takes_value(parameter)) names.emplace(parameter.name);
    }
  }
  std::string pattern;
  for (const std::string& name : names) pattern += (pattern.empty() ? "" : "|") + name;
  return pattern;
}

Words first_words() {
  Words words;
  for (const Group& group : groups()) words.push_back({std::string(group.name), group.purpose});
  for (const Command& command : commands()) {
    if (command.group.empty()) words.push_back({std::string(command.name), command.purpose});
  }
  return words;
}

Words words_of_group(std::string_view group) {
  Words words;
  for (const Command& command : commands()) {
    if (command.group == group) words.push_back({std::string(command.name), command.purpose});
  }
  return words;
}

Words words_of(const Command& command) {
  Words words;
  for (const Parameter& parameter : command.parameters) {
    if (parameter.is_option()) {
      words.push_back({std::string(parameter.name), parameter.purpose});
    } else {
      for (const std::string_view choice : split(parameter.choices, '|')) {
        words.push_back({std::string(choice), parameter.purpose});
      }
    }
  }
  for (const GlobalOption& option : global_options()) {
    words.push_back({std::string(option.name), option.purpose});
  }
  return words;
}

bool has_file_argument(const Command& command) {
  return std::ranges::any_of(command.parameters, [](const Parameter& parameter) {
    return !parameter.is_option() && is_file(parameter);
  });
}

std::string join(const Words& words) {
  std::string text;
  for (const Word& word : words) text += (text.empty() ? "" : " ") + word.text;
  return text;
}

// 'word:purpose' for each, as zsh's _describe wants them.
std::string describe(const Words& words) {
  std::string text;
  for (const Word& word : words) {
    std::string one = word.text + ":";
    for (const char c : word.purpose) one += c == '\'' ? std::string("'\\''") : std::string(1, c);
    text += "\n        '" + one + "'";
  }
  return text;
}

// The choices after an option: a line of `case` each.
std::string choice_cases(std::string_view before, std::string_view between,
                         std::string_view after) {
  std::string text;
  for (const Command& command : commands()) {
    for (const Parameter& parameter : command.parameters) {
      if (!takes_value(parameter) || parameter.choices.empty()) continue;
      std::string choices(parameter.choices);
      std::ranges::replace(choices, '|', ' ');
      text += std::string(before) + "'" + command.full_name() +
              "'*:" + std::string(parameter.name) + std::string(between) + choices +
              std::string(after);
    }
  }
  return text;
}

// Gathers the plain words of the line into $plain. `first` is where arguments begin.
std::string gather(std::string_view array, std::string_view first, std::string_view last) {
  const std::string words(array);
  return "  local plain='' skip=0 i\n  for ((i = " + std::string(first) + "; i < " +
         std::string(last) +
         "; i++)); do\n    if ((skip)); then skip=0; continue; fi\n    case \"${" + words +
         "[i]}\" in\n      " + options_with_values() +
         ") skip=1 ;;\n      -*) ;;\n      *) plain=\"$plain ${" + words +
         "[i]}\" ;;\n    esac\n  done\n  plain=\"${plain# }\"\n";
}

std::string bash() {
  std::string text = "# bash completion of sluicectl; made by `sluicectl completion bash`.\n";
  text += "_sluicectl() {\n  local current=\"${COMP_WORDS[COMP_CWORD]}\"\n";
  text += "  local previous=\"${COMP_WORDS[COMP_CWORD-1]}\" found=''\n";
  text += gather("COMP_WORDS", "1", "COMP_CWORD");
  text += "  case \"$plain:$previous\" in\n";
  text += choice_cases("    ", ") found='", "' ;;\n");
  text += "    *:--token-file|*:--from-file|*:--socket|*:-s)\n";
  text += "      mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;\n  esac\n";
  text += "  if [ -z \"$found\" ]; then\n    if ((skip)); then return; fi\n";
  text += "    case \"$plain\" in\n      '') found='" + join(first_words()) + "' ;;\n";
  for (const Group& group : groups()) {
    text += "      " + std::string(group.name) + ") found='" + join(words_of_group(group.name)) +
            "' ;;\n";
  }
  for (const Command& command : commands()) {
    const std::string name = "'" + command.full_name() + "'";
    text +=
        "      " + name + "|" + name + "\\ *)\n        found='" + join(words_of(command)) + "'\n";
    if (has_file_argument(command)) {
      text +=
          "        mapfile -t COMPREPLY < <(compgen -f -W \"$found\" -- \"$current\"); return\n";
    }
    text += "        ;;\n";
  }
  text += "    esac\n  fi\n  mapfile -t COMPREPLY < <(compgen -W \"$found\" -- \"$current\")\n}\n";
  return text + "complete -F _sluicectl sluicectl\n";
}

std::string zsh() {
  std::string text = "#compdef sluicectl\n# Made by `sluicectl completion zsh`.\n";
  text += "_sluicectl() {\n  local previous=\"${words[CURRENT-1]}\"\n  local -a found\n";
  text += gather("words", "2", "CURRENT");
  text += "  case \"$plain:$previous\" in\n";
  text += choice_cases("    ", ") found=(", ") ;;\n");
  text += "    *:--token-file|*:--from-file|*:--socket|*:-s) _files; return ;;\n  esac\n";
  text += "  if (( ! $#found )); then\n    if ((skip)); then return; fi\n";
  text += "    case \"$plain\" in\n      '') found=(" + describe(first_words()) + ") ;;\n";
  for (const Group& group : groups()) {
    text += "      " + std::string(group.name) + ") found=(" +
            describe(words_of_group(group.name)) + ") ;;\n";
  }
  for (const Command& command : commands()) {
    const std::string name = "'" + command.full_name() + "'";
    text += "      " + name + "|" + name + "\\ *)\n        " +
            (has_file_argument(command) ? "_files\n        " : "") + "found=(" +
            describe(words_of(command)) + ") ;;\n";
  }
  text += "    esac\n  fi\n  _describe 'sluicectl' found\n}\n";
  return text +
         "if [ \"$funcstack[1]\" = _sluicectl ]; then _sluicectl \"$@\"; "
         "else compdef _sluicectl sluicectl; fi\n";
}

std::string fish_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text)
    quoted += c == '\'' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return quoted + "'";
}

std::string fish_line(std::string_view condition, std::string_view rest, std::string_view purpose) {
  return "complete -c sluicectl -n " + fish_quoted(condition) + " " + std::string(rest) + " -d " +
         fish_quoted(purpose) + "\n";
}

std::string fish_option(const Parameter& parameter) {
  std::string text = "-l " + std::string(parameter.name.substr(2));
  if (parameter.kind == Kind::kFlag) return text;
  if (is_file(parameter)) return text + " -rF";
  text += " -x";
  std::string choices(parameter.choices);
  std::ranges::replace(choices, '|', ' ');
  return choices.empty() ? text : text + " -a " + fish_quoted(choices);
}

std::string fish() {
  std::string text = "# fish completion of sluicectl; made by `sluicectl completion fish`.\n";
  text += "complete -c sluicectl -f\n";
  for (const GlobalOption& option : global_options()) {
    std::string rest = "-l " + std::string(option.name.substr(2));
    if (!option.letter.empty()) rest += " -s " + std::string(option.letter.substr(1));
    if (!option.value.empty()) rest += " -rF";
    text += "complete -c sluicectl " + rest + " -d " + fish_quoted(option.purpose) + "\n";
  }
  for (const Word& word : first_words()) {
    text += fish_line("__fish_use_subcommand", "-a " + word.text, word.purpose);
  }
  for (const Group& group : groups()) {
    const Words words = words_of_group(group.name);
    for (const Word& word : words) {
      text += fish_line("__fish_seen_subcommand_from " + std::string(group.name) +
                            "; and not __fish_seen_subcommand_from " + join(words),
                        "-a " + word.text, word.purpose);
    }
  }
  for (const Command& command : commands()) {
    std::string condition = "__fish_seen_subcommand_from " + std::string(command.name);
    if (!command.group.empty()) {
      condition =
          "__fish_seen_subcommand_from " + std::string(command.group) + "; and " + condition;
    }
    for (const Parameter& parameter : command.parameters) {
      if (parameter.is_option()) {
        text += fish_line(condition, fish_option(parameter), parameter.purpose);
      } else if (is_file(parameter)) {
        text += fish_line(condition, "-F", parameter.purpose);
      }
      for (const std::string_view choice : split(parameter.choices, '|')) {
        if (parameter.is_option()) break;
        text += fish_line(condition, "-a " + std::string(choice), parameter.purpose);
      }
    }
  }
  return text;
}

}  // namespace

std::string completion(std::string_view shell) {
  if (shell == "bash") return bash();
  if (shell == "zsh") return zsh();
  return shell == "fish" ? fish() : "";
}

}  // namespace sluice::sluicectl
