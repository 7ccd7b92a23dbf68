// Which files the process may touch after its start, enforced by Landlock.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/config/environment.h>
#include <sluice/config/snapshot.h>

namespace sluice::app {

// Folders and files; what does not exist yet is replaced by the folder that it would be in.
struct FileRules {
  std::vector<std::string> read;
  std::vector<std::string>
      write;  // Read as well; entries may be made, renamed and removed in them.
};

// `read_paths` are the files that the configuration was read with, its own among them: their
// folders, and those that links lead to, stay readable, so that a file may be replaced by a rename.
// The folder of the configuration is written to by a rollback. `is_root` keeps /etc as a whole out.
[[nodiscard]] FileRules file_rules(const config::Snapshot& snapshot, std::string_view config_path,
                                   const std::vector<std::string>& read_paths, bool is_root);

// Gives up every other file, execution of programs, signals to other processes and abstract Unix
// sockets of others, for this thread and all that it will start: call it while it is the only one.
// Returns what is in force, e.g. "Landlock (ABI 7)". The error is what is lacking; then nothing has
// changed.
[[nodiscard]] std::expected<std::string, std::string> confine_files(const FileRules& rules);

// Remembers what is read until the sandbox stands, and from then on says so when it is in the way.
class ConfinedEnvironment final : public config::Environment {
 public:
  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override;
  [[nodiscard]] std::expected<config::FileText, std::string> read(const std::string& path,
                                                                  size_t bytes_max) const override;
  // Before another thread reads.
  void confine() noexcept { is_confined_ = true; }
  [[nodiscard]] bool is_confined() const noexcept { return is_confined_; }
  [[nodiscard]] const std::vector<std::string>& paths() const noexcept { return paths_; }

 private:
  config::SystemEnvironment system_;
  mutable std::vector<std::string> paths_;
  bool is_confined_ = false;
};

// `problem`, with the remedy behind it when the sandbox may be its cause.
[[nodiscard]] std::string with_sandbox_remedy(std::string problem);

}  // namespace sluice::app
