// What a configuration may draw from outside its own text: variables and files.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>

namespace sluice::config {

struct FileText {
  std::string text;
  bool others_may_read = false;  // The file's mode lets every user read it.
};

// Tests replace it, so that they need neither variables nor files.
class Environment {
 public:
  virtual ~Environment() = default;
  [[nodiscard]] virtual std::optional<std::string> variable(const std::string& name) const = 0;
  // The whole file; otherwise the reason as people read it, e.g. "No such file or directory".
  [[nodiscard]] virtual std::expected<FileText, std::string> read(const std::string& path,
                                                                  size_t bytes_max) const = 0;
};

// The variables and files of this process. read() blocks on the disk.
class SystemEnvironment final : public Environment {
 public:
  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override;
  [[nodiscard]] std::expected<FileText, std::string> read(const std::string& path,
                                                          size_t bytes_max) const override;
};

}  // namespace sluice::config
