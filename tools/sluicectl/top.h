// `sluicectl top`: a live view of the gateway.
#pragma once

#include <string>

#include "admin_client.h"

namespace sluice::sluicectl {

struct TopOptions {
  Target target;
  bool is_once = false;
  bool as_json = false;  // Each view as one line of JSON, without a terminal.
  std::string interval;
};

// Until it is ended; the exit status.
[[nodiscard]] int run_top(const TopOptions& options);

}  // namespace sluice::sluicectl
