#include "run.h"

#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <iostream>
#include <optional>

#include "completion.h"
#include "key_file.h"
#include "man.h"
#include "render.h"
#include "top.h"

namespace sluice::sluicectl {
namespace {

constexpr json::ValueLimits kAnswerLimits = {
    .bytes_max = 64u << 20, .depth_max = 64, .values_max = 1u << 24};

// Above what Sluice itself allows an upgrade to take.
constexpr int64_t kUpgradePatienceS = 660;

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void warn(std::string_view sentence) {
  std::fflush(stdout);
  std::fputs(("sluicectl: " + std::string(sentence) + "\n").c_str(), stderr);
}

// What was not done, on standard error (with --json on standard output, as it came).
int report_refusal(const Answer& answer, bool as_json) {
  const auto value = json::parse_value(answer.body, kAnswerLimits);
  if (as_json) {
    print(answer.body);
  } else {
    std::fputs(render_refusal(value.value_or(json::Value()), answer.status >= 500).c_str(), stderr);
  }
  return exit_status_of(answer);
}

// The secret alone on the last line, so that `tail -1` takes it.
void print_secret(const json::Value& answer) {
  const json::Value* secret = answer.find("secret");
  const std::string* text = secret == nullptr ? nullptr : secret->as_string();
  if (text == nullptr) {
    warn("this was done before with the same idempotency key, and its secret was shown then");
    return;
  }
  warn("the secret is shown this once; keep it now");
  print(*text + "\n");
}

int report(const Command& command, const Answer& answer, bool as_json) {
  if (!answer.is_done()) return report_refusal(answer, as_json);
  if (as_json || command.shape == Shape::kRaw) {
    print(answer.body);
    return kExitDone;
  }
  const auto value = json::parse_value(answer.body, kAnswerLimits);
  if (!value) return complain("the answer is not JSON; is this the admin socket of Sluice?");
  print(render(command, *value));
  if (command.shape == Shape::kSecret) print_secret(*value);
  return kExitDone;
}

// A line from the terminal, without its end; none at the end of the input.
std::optional<std::string> read_line() {
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  return line;
}

// What the question is about: the words that stand for themselves.
std::string subject_of(const Command& command, const Given& given) {
  std::string text;
  for (size_t i = 0; i < command.parameters.size(); ++i) {
    const Parameter& parameter = command.parameters[i];
    if (parameter.is_option()) continue;
    text += " " + printable(word_of(command, given, parameter.name));
  }
  return text;
}

// Asks for the name of what would go; nothing when it was typed.
std::optional<int> ask_name(const Command& command, const Request& request,
                            const Session& session) {
  const std::string path = request.path.substr(0, request.path.find('?'));
  const auto answer = ask(session.target, {.method = "GET", .path = path});
  if (!answer) return complain(answer.error());
  if (!answer->is_done()) return report_refusal(*answer, session.as_json);
  const auto value = json::parse_value(answer->body, kAnswerLimits);
  const json::Object* members = value ? value->as_object() : nullptr;
  if (members == nullptr || members->empty())
    return complain("the answer is not what was expected");
  const json::Value& owner = members->front().value;
  const json::Value* name = owner.find("name");
  const bool has_name =
      name != nullptr && name->as_string() != nullptr && !name->as_string()->empty();
  const json::Value* id = owner.find("id");
  const json::Value* wanted = has_name ? name : id;
  if (wanted == nullptr || wanted->as_string() == nullptr) {
    return complain("the answer is not what was expected");
  }
  const bool is_with_all = request.path.contains("with_all=true");
  std::fputs((std::string(command.warning) + fill_in(" {level} {id} ({name})", owner) +
              (is_with_all ? " and all that belongs to it" : "") + ", for good.\nType its " +
              (has_name ? "name" : "id") + " to go on: ")
                 .c_str(),
             stderr);
  if (read_line() == *wanted->as_string()) return std::nullopt;
  return complain("that is not its name; nothing was done");
}

bool is_harmless(const Command& command, const Given& given) {
  if (command.name != "sync") return false;
  return word_of(command, given, "--mode") != "full" ||
         word_of(command, given, "--dry-run") == "true";
}

// Nothing when it may go on, otherwise the exit status.
std::optional<int> confirm(const Command& command, const Given& given, const Request& request,
                           const Session& session) {
  if (command.question == Question::kNone || session.is_sure || is_harmless(command, given)) {
    return std::nullopt;
  }
  if (::isatty(STDIN_FILENO) == 0) {
    return complain("this cannot be undone, and there is no terminal to ask on; add --yes");
  }
  if (command.question == Question::kName) return ask_name(command, request, session);
  std::fputs(
      (std::string(command.warning) + subject_of(command, given) + "\nGo on? Type yes: ").c_str(),
      stderr);
  const auto line = read_line();
  if (line == "yes" || line == "y") return std::nullopt;
  return complain("nothing was done");
}

// A cell of CSV.
std::string csv(const json::Value& object, std::string_view member) {
  const json::Value* value = object.find(member);
  const std::string* text = value == nullptr ? nullptr : value->as_string();
  if (text == nullptr) return "";
  if (text->find_first_of(",\"\r\n") == std::string::npos) return *text;
  std::string quoted = "\"";
  for (const char c : *text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

// Makes each key of the file, until one is not made.
int create_many(const Command& command, const Given& given, const Session& session, int64_t now) {
  const auto single = make_request(command, given, now);
  if (!single) return complain(single.error());
  if (single->body != "{}" || !single->headers.empty()) {
    return complain("--from-file says all of its keys; leave the other options out");
  }
  const auto keys = read_key_file(word_of(command, given, "--from-file"), now);
  if (!keys) return complain(keys.error());
  if (!session.as_json) print("name,id,secret\n");
  for (size_t i = 0; i < keys->size(); ++i) {
    Request request = *single;
    request.body.clear();
    (*keys)[i].write(request.body);
    const auto answer = ask(session.target, request);
    if (answer && answer->is_done()) {
      const auto value = json::parse_value(answer->body, kAnswerLimits).value_or(json::Value());
      const json::Value* key = value.find("key");
      if (session.as_json) print(answer->body);
      if (!session.as_json && key != nullptr) {
        print(csv(*key, "name") + "," + csv(*key, "id") + "," + csv(value, "secret") + "\n");
      }
      std::fflush(stdout);
      continue;
    }
    warn("key " + std::to_string(i + 1) + " of " + std::to_string(keys->size()) +
         " was not made, nor were those after it");
    return answer ? report_refusal(*answer, session.as_json) : complain(answer.error());
  }
  warn("the secrets are shown this once; keep them now");
  return kExitDone;
}

int run_local(const Command& command, const Given& given, const Session& session) {
  if (command.name == "top") {
    return run_top({.target = session.target,
                    .is_once = word_of(command, given, "--once") == "true",
                    .as_json = session.as_json,
                    .interval = word_of(command, given, "--interval")});
  }
  print(command.name == "man" ? manual_page() : completion(word_of(command, given, "SHELL")));
  return kExitDone;
}

}  // namespace

int complain(std::string_view sentence) {
  warn(sentence);
  return kExitNoAnswer;
}

int exit_status_of(const Answer& answer) noexcept {
  if (answer.is_done()) return kExitDone;
  return answer.status < 500 ? kExitRefused : kExitFailed;
}

int run(const Command& command, const Given& given, const Session& session) {
  const int64_t now = std::time(nullptr);
  if (command.shape == Shape::kLocal) return run_local(command, given, session);
  if (!word_of(command, given, "--from-file").empty()) {
    return create_many(command, given, session, now);
  }
  const auto request = make_request(command, given, now);
  if (!request) return complain(request.error());
  if (const auto status = confirm(command, given, *request, session)) return *status;
  Target target = session.target;
  if (command.name == "upgrade") {
    warn("the new process starts; this answers when it serves, or does not");
    target.patience_s = kUpgradePatienceS;
  }
  const auto answer = ask(target, *request);
  if (!answer) return complain(answer.error());
  return report(command, *answer, session.as_json);
}

}  // namespace sluice::sluicectl
