// Variables and files that exist only in a test.
#pragma once

#include <map>
#include <string>

#include <sluice/config/environment.h>

namespace sluice::config {

class FakeEnvironment final : public Environment {
 public:
  std::map<std::string, std::string> variables;
  std::map<std::string, FileText> files;

  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override {
    const auto entry = variables.find(name);
    if (entry == variables.end()) return std::nullopt;
    return entry->second;
  }

  [[nodiscard]] std::expected<FileText, std::string> read(const std::string& path,
                                                          size_t bytes_max) const override {
    const auto entry = files.find(path);
    if (entry == files.end()) return std::unexpected("No such file or directory");
    if (entry->second.text.size() > bytes_max) return std::unexpected("larger than allowed");
    return entry->second;
  }
};

}  // namespace sluice::config
