// The table of commands: what is parsed, helped with, completed, put on the man page and sent.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/json/value.h>

namespace sluice::sluicectl {

inline constexpr int kExitDone = 0;
inline constexpr int kExitRefused = 1;   // By Sluice: 4xx.
inline constexpr int kExitNoAnswer = 2;  // Also a wrong command line, and a question answered no.
inline constexpr int kExitFailed = 3;    // 5xx.

enum class Kind : uint8_t {
  kText,
  kInteger,
  kBoolean,      // true or false.
  kFlag,         // Takes no value; true when it stands there.
  kTime,         // RFC 3339, a day, or a duration from now on.
  kPast,         // The same, but a duration until now.
  kTexts,        // May be given many times, or with commas.
  kPairs,        // NAME=TEXT, many times.
  kAmounts,      // NAME=NUMBER, many times.
  kModelLimits,  // GLOBS:NAME=NUMBER, many times.
  kNulls,        // Names of members that become null.
  kFile,         // The text of the file; `-` is standard input.
  kKeyFile,      // Keys as JSON or CSV.
};

enum class Place : uint8_t { kPath, kQuery, kBody, kHeader, kLocal };

struct Parameter {
  std::string_view name;  // "--by" is an option, "ID" stands for itself, in order.
  std::string_view purpose;
  Place place = Place::kBody;
  Kind kind = Kind::kText;
  std::string_view member{};  // As the API calls it.
  bool is_needed = false;
  std::string_view fallback{};  // Used when it is not given.
  std::string_view choices{};   // "a|b"; "" is any text.

  [[nodiscard]] bool is_option() const noexcept { return name.starts_with("--"); }
  [[nodiscard]] bool is_many() const noexcept;
};

// What people see of an answer that says that it is done.
enum class Shape : uint8_t {
  kOwn,       // `render`.
  kTable,     // The array `member`, a row each, with `columns`.
  kRecord,    // The object `member`, a line for each of its members.
  kSecret,    // The same, then the answer's secret alone on the last line.
  kSentence,  // `columns` with each {name} replaced.
  kRaw,       // As it came.
  kLocal,     // Sends nothing by itself.
};

// Whether a person must agree first.
enum class Question : uint8_t {
  kNone,
  kYes,   // "yes" does.
  kName,  // Only the name of what goes does (D85).
};

struct Command {
  std::string_view group;  // "" stands alone.
  std::string_view name;
  std::string_view purpose;
  std::string_view method;
  std::string_view path;  // {} stands for the next parameter of the path.
  std::span<const Parameter> parameters{};
  Shape shape = Shape::kOwn;
  std::string_view member{};
  std::string_view columns{};  // Members in order, "member=TITLE" for another title.
  std::string (*render)(const json::Value& answer) = nullptr;
  Question question = Question::kNone;
  std::string_view warning{};          // What the question begins with.
  std::string_view changing_method{};  // Instead of `method` when there is a body.

  [[nodiscard]] std::string full_name() const;
};

struct Group {
  std::string_view name;
  std::string_view purpose;
};

[[nodiscard]] std::span<const Group> groups() noexcept;
// Those of one group stand together.
[[nodiscard]] std::span<const Command> commands() noexcept;
// What a file of keys may say of each, besides its id, secret and digest.
[[nodiscard]] std::span<const Parameter> key_parameters() noexcept;

// Options of every command.
struct GlobalOption {
  std::string_view name;
  std::string_view letter;  // "" for none.
  std::string_view value;   // "" takes none.
  std::string_view purpose;
};
[[nodiscard]] std::span<const GlobalOption> global_options() noexcept;

inline constexpr std::string_view kPurpose = "Speaks to a running Sluice on its admin socket.";
inline constexpr std::string_view kExitStatus =
    "Exit status: 0 done; 1 refused by Sluice (4xx); 2 wrong command line, no answer, or a "
    "question "
    "that was not answered with yes; 3 Sluice failed (5xx).";

[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char mark);

}  // namespace sluice::sluicectl
