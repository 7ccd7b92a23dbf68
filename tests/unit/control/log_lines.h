#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/log.h>

namespace sluice::control {

// Keeps what is logged.
class Lines final : public Logger {
 public:
  [[nodiscard]] bool is_enabled(LogLevel) const noexcept override { return true; }
  void write(LogLevel level, std::string_view, std::string_view message) override {
    (level == LogLevel::kInfo ? infos : problems).emplace_back(message);
  }
  std::vector<std::string> infos;
  std::vector<std::string> problems;
};

}  // namespace sluice::control
