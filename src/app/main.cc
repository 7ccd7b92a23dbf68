#include <fcntl.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include <sluice/net/tls.h>

#include "check.h"
#include "crash_report.h"
#include "exit_status.h"
#include "gateway.h"
#include "options.h"
#include "predecessor.h"
#include "private_memory.h"
#include "starter.h"

namespace {

// Started with standard streams closed, a socket would get their numbers, and 0 means "none" to a
// listener.
void claim_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", O_RDWR);
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace sluice::app;
  keep_memory_private();
  claim_standard_descriptors();
  report_crashes(SLUICE_VERSION);
  const ParsedOptions parsed = parse_options(argc, argv);
  if (!parsed.is_complete) return parsed.status;
  switch (parsed.options.verb) {
    case Verb::kVersion:
      std::puts("sluice " SLUICE_VERSION);
      std::puts(sluice::net::has_tls()
                    ? "with TLS by wolfSSL: may be passed on under the GPL, version 3 or later"
                    : "without TLS: may be passed on under the Apache License 2.0");
      return kExitOk;
    case Verb::kCheck: return check_config(parsed.options.config_path);
    case Verb::kRun: {
      std::unique_ptr<Predecessor> predecessor = Predecessor::find();
      auto starter = Starter::fork_off(argv);
      return Gateway(parsed.options.config_path, SLUICE_VERSION, std::move(predecessor),
                     std::move(starter))
          .run();
    }
  }
  return kExitCannotStart;
}
