#include "man.h"

#include <string_view>

#include "command.h"

namespace sluice::sluicectl {
namespace {

// Text that troff shows as it is.
std::string roff(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '-') {
      escaped += "\\-";
    } else if (c == '\\') {
      escaped += "\\e";
    } else if ((c == '.' || c == '\'') && escaped.empty()) {
      escaped += std::string("\\&") + c;
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string bold(std::string_view text) { return "\\fB" + roff(text) + "\\fR"; }
std::string slanted(std::string_view text) { return "\\fI" + roff(text) + "\\fR"; }

// "--model GLOB" needs a word for what follows.
std::string_view value_word(const Parameter& parameter) {
  switch (parameter.kind) {
    case Kind::kFlag: return "";
    case Kind::kInteger: return "NUMBER";
    case Kind::kBoolean: return "true|false";
    case Kind::kTime:
    case Kind::kPast: return "TIME";
    case Kind::kPairs: return "NAME=TEXT";
    case Kind::kAmounts: return "NAME=NUMBER";
    case Kind::kModelLimits: return "MODELS:NAME=NUMBER";
    case Kind::kNulls: return "MEMBER";
    case Kind::kFile:
    case Kind::kKeyFile: return "FILE";
    case Kind::kText:
    case Kind::kTexts: break;
  }
  return parameter.choices.empty() ? "TEXT" : parameter.choices;
}

std::string usage_line(const Command& command) {
  std::string line = bold(command.full_name());
  bool has_options = false;
  for (const Parameter& parameter : command.parameters) {
    has_options |= parameter.is_option();
    if (parameter.is_option()) continue;
    line +=
        parameter.is_needed ? " " + slanted(parameter.name) : " [" + slanted(parameter.name) + "]";
  }
  return line + (has_options ? " [" + slanted("options") + "]" : "");
}

std::string sentence(std::string_view text) {
  std::string whole(text);
  if (!whole.empty() && whole[0] >= 'a' && whole[0] <= 'z') {
    whole[0] = static_cast<char>(whole[0] - 32);
  }
  return whole + ".";
}

std::string describe(const Parameter& parameter) {
  const std::string_view word = parameter.is_option() ? value_word(parameter) : "";
  std::string text =
      ".TP\n" + (parameter.is_option() ? bold(parameter.name) : slanted(parameter.name));
  if (!word.empty()) text += " " + slanted(word);
  std::string purpose = sentence(parameter.purpose);
  if (!parameter.is_option() && !parameter.choices.empty()) {
    purpose += " One of " + std::string(parameter.choices) + ".";
  }
  if (!parameter.fallback.empty())
    purpose += " Without it: " + std::string(parameter.fallback) + ".";
  if (parameter.is_many() && parameter.is_option()) purpose += " May be given many times.";
  return text + "\n" + roff(purpose) + "\n";
}

std::string describe(const Command& command) {
  std::string text = ".SS " + usage_line(command) + "\n" + roff(sentence(command.purpose)) + "\n";
  if (command.question == Question::kName) {
    text += roff("Asks for the typed name, unless --yes is given.") + "\n";
  }
  if (command.question == Question::kYes) {
    text += roff(command.name == "sync" ? "With --mode full it asks before, unless --yes is given."
                                        : "Asks before, unless --yes is given.") +
            "\n";
  }
  for (const Parameter& parameter : command.parameters) text += describe(parameter);
  return text;
}

std::string options() {
  std::string text = ".SH OPTIONS\nThese may stand anywhere.\n";
  for (const GlobalOption& option : global_options()) {
    text += ".TP\n";
    if (!option.letter.empty()) text += bold(option.letter) + ", ";
    text += bold(option.name);
    if (!option.value.empty()) text += " " + slanted(option.value);
    text += "\n" + roff(sentence(option.purpose)) + "\n";
  }
  return text;
}

constexpr std::string_view kDescription =
    "Each command is one call of the admin interface, and prints its answer for people, or with "
    "--json as it came. What cannot be undone asks before; where there is no terminal to ask on, "
    "--yes is needed. A secret of a new key is printed once, alone on the last line; secrets that "
    "exist are read from files and never from the command line.";

constexpr std::string_view kTimes =
    "A TIME is RFC 3339 (2026-12-01T08:00:00Z), a day of UTC (2026-12-01), or a duration (90m, "
    "24h, "
    "30d): from now on where it is in the future, and until now for --from and --to.";

constexpr std::string_view kFiles =
    "Files of keys are JSON, an array of objects as the API takes them, or CSV. The first line of "
    "CSV names its columns: secret, sha256, prefix, id, members such as name, team and models, and "
    "limits.requests_per_minute and the like; words of a list are separated by spaces.";

constexpr std::string_view kAddresses =
    "--url speaks http to a loopback address alone. For another machine's second listener, forward "
    "its port through a tunnel.";

std::string paragraph(std::string_view text) { return ".PP\n" + roff(text) + "\n"; }

}  // namespace

std::string manual_page() {
  std::string text = ".\\\" Made by `sluicectl man`; a test compares it.\n";
  text += ".TH SLUICECTL 1 \"\" \"Sluice\" \"Sluice\"\n.SH NAME\nsluicectl \\- ";
  text += roff("speaks to a running Sluice on its admin socket") + "\n.SH SYNOPSIS\n";
  text += bold("sluicectl") + " [" + slanted("options") + "] " + slanted("command") + "\n";
  text += ".SH DESCRIPTION\n" + roff(kDescription) + "\n" + paragraph(kTimes) + paragraph(kFiles) +
          paragraph(kAddresses) + options() + ".SH COMMANDS\n";
  for (const Command& command : commands()) text += describe(command);
  text += ".SH EXIT STATUS\n.TP\n0\nDone.\n.TP\n1\nRefused by Sluice (4xx).\n.TP\n2\n";
  text +=
      "A wrong command line, no answer, or a question that was not answered with yes.\n.TP\n3\n";
  text += "Sluice failed (5xx); its log says why.\n.SH SEE ALSO\n";
  return text + roff("docs/sluicectl.md, docs/admin.md and docs/keys.md of Sluice.") + "\n";
}

}  // namespace sluice::sluicectl
