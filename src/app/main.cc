#include <cstdio>
#include <string>

#include "check.h"
#include "exit_status.h"
#include "gateway.h"
#include "options.h"

int main(int argc, char** argv) {
  using namespace sluice::app;
  const ParsedOptions parsed = parse_options(argc, argv);
  if (!parsed.is_complete) return parsed.status;
  switch (parsed.options.verb) {
    case Verb::kVersion: std::puts("sluice " SLUICE_VERSION); return kExitOk;
    case Verb::kCheck: return check_config(parsed.options.config_path);
    case Verb::kRun: return Gateway(parsed.options.config_path, SLUICE_VERSION).run();
  }
  return kExitCannotStart;
}
