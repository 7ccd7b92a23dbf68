// A folder of its own for a journal, and a disk that refuses on demand.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <sluice/store/journal.h>

namespace sluice::store {

class JournalFolder {
 public:
  JournalFolder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "sluice-journal-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~JournalFolder() { std::filesystem::remove_all(path_); }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string segment(int number) const {
    return path_ + "/spend-" + std::to_string(number) + ".journal";
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  static std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  static void write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }

 private:
  std::string path_;
};

// Takes `room` more bytes, then is full.
class TightDisk final : public FileCalls {
 public:
  [[nodiscard]] ssize_t write(int fd, const void* bytes, size_t count) noexcept override {
    ++writes;
    if (room == 0) {
      errno = ENOSPC;
      return -1;
    }
    count = std::min<size_t>(count, room);
    room -= count;
    return system_.write(fd, bytes, count);
  }
  [[nodiscard]] int sync(int fd) noexcept override {
    ++syncs;
    if (!fails_sync) return system_.sync(fd);
    errno = EIO;
    return -1;
  }

  std::atomic<size_t> room{SIZE_MAX / 2};
  std::atomic<bool> fails_sync{false};
  std::atomic<int> writes{0};
  std::atomic<int> syncs{0};

 private:
  SystemFileCalls system_;
};

class Collected final : public JournalVisitor {
 public:
  void on_payload(std::string_view payload) override { payloads.emplace_back(payload); }
  std::vector<std::string> payloads;
};

}  // namespace sluice::store
