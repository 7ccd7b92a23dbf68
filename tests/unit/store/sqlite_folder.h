// A folder of its own for a SQLite file, and children that end by a signal.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace sluice::store {

class SqliteFolder {
 public:
  SqliteFolder() {
    // In memory where there is such a place: what is synced survives a killed process either way.
    const std::filesystem::path memory = "/dev/shm";
    std::string pattern =
        ((::access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path()) /
         "sluice-sqlite-XXXXXX")
            .string();
    directory_ = std::filesystem::canonical(::mkdtemp(pattern.data())).string();
  }
  ~SqliteFolder() { std::filesystem::remove_all(directory_); }
  SqliteFolder(const SqliteFolder&) = delete;
  SqliteFolder& operator=(const SqliteFolder&) = delete;

  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] std::string file() const { return directory_ + "/keys.db"; }

  static void overwrite(const std::string& path, std::streamoff offset, std::string_view bytes) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(offset);
    file << bytes;
  }

 private:
  std::string directory_;
};

// Runs `body` in a child without root's rights, which see no closed door; its exit code, or minus
// the signal that ended it.
template <class Body>
int exit_of_child(bool drops_root, Body body) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    constexpr unsigned kNobody = 65'534;
    if (drops_root && ::geteuid() == 0 && ::setuid(kNobody) != 0) ::_exit(99);
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace sluice::store
