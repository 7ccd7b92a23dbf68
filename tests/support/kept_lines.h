// Keeps what is logged, at every level.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/log.h>

namespace sluice::support {

class KeptLines final : public Logger {
 public:
  [[nodiscard]] bool is_enabled(LogLevel) const noexcept override { return true; }
  void write(LogLevel, std::string_view, std::string_view message) override {
    lines.emplace_back(message);
  }
  std::vector<std::string> lines;
};

}  // namespace sluice::support
