#include "check.h"

#include <cstdio>

#include <fmt/format.h>

#include <sluice/base/clock.h>
#include <sluice/control/tls_profiles.h>
#include <sluice/telemetry/redactor.h>

#include "exit_status.h"

namespace sluice::app {
namespace {

std::string count(size_t number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

}  // namespace

std::string describe_problems(const config::LoadOutcome& outcome) {
  std::string text;
  for (const config::Diagnostic& error : outcome.errors) {
    text += config::to_string(error) + "\n";
  }
  for (const config::Diagnostic& warning : outcome.warnings) {
    text += "warning: " + config::to_string(warning) + "\n";
  }
  telemetry::Redactor().redact(text);
  return text;
}

std::string describe_counts(const config::Snapshot& snapshot) {
  return fmt::format("{}, {}, {}", count(snapshot.upstreams.size(), "upstream"),
                     count(snapshot.models.size(), "model"), count(snapshot.keys.size(), "key"));
}

std::string describe_valid(const config::Snapshot& snapshot) {
  return fmt::format("{} is valid: {}\n", snapshot.source_path, describe_counts(snapshot));
}

int check_config(const std::string& path) {
  net::SystemAuthorities system;
  const config::LoadOutcome outcome =
      control::load_with_tls(path, config::SystemEnvironment(), SystemClock().wall(), 1, system)
          .config;
  const std::string problems = describe_problems(outcome);
  std::fputs(problems.c_str(), stderr);
  if (outcome.snapshot == nullptr) return kExitConfig;
  std::fputs(describe_valid(*outcome.snapshot).c_str(), stdout);
  return kExitOk;
}

}  // namespace sluice::app
