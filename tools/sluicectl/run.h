// One command from its words to its exit status.
#pragma once

#include "admin_client.h"
#include "arguments.h"
#include "command.h"

namespace sluice::sluicectl {

struct Session {
  Target target;
  bool as_json = false;
  bool is_sure = false;  // --yes.
};

// Says it on standard error; the exit status of a wrong command line.
int complain(std::string_view sentence);

// The exit status that an answer of `status` makes.
[[nodiscard]] int exit_status_of(const Answer& answer) noexcept;

// Prints, may ask on the terminal; the exit status.
[[nodiscard]] int run(const Command& command, const Given& given, const Session& session);

}  // namespace sluice::sluicectl
