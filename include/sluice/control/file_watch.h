// When a file that may be replaced, renamed over or linked anew has changed and come to rest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/base/deadline.h>

namespace sluice::control {

// What tells one content from another; of the file that a path leads to in the end, so that a
// symbolic link that is swapped counts.
struct FileMark {
  bool is_there = false;
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t bytes = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;
  bool operator==(const FileMark&) const = default;
};
// Blocks on the disk.
[[nodiscard]] FileMark mark_of(const std::string& path);

// Looks come from outside, each kLookGap: a change counts once two looks have found the same, so
// that a file in the middle of being written, and one that is away for a moment, are left alone.
class FileWatch {
 public:
  static constexpr Duration kLookGap = milliseconds(500);
  // A file that was changed so shortly before it is first looked at is looked at as changed.
  static constexpr Duration kFresh = seconds(2);

  // What is watched from now on; files that were watched before keep what is known of them.
  void follow(std::vector<std::string> paths, MonoTime now);
  [[nodiscard]] bool is_due(MonoTime now) const noexcept {
    return !files_.empty() && next_.has_passed(now);
  }
  [[nodiscard]] std::vector<std::string> paths() const;
  // What a look at `paths` has found; those that are not watched any more are passed over.
  void take(const std::vector<std::string>& paths, const std::vector<FileMark>& marks, MonoTime now,
            WallTime wall);
  // A file that has changed and rests, until settle() says that it was dealt with.
  [[nodiscard]] std::optional<std::string> changed() const;
  // Everything as it was last seen is known now.
  void settle() noexcept;
  // What was settled of `path` could not be dealt with: the next look finds it changed.
  void put_off(std::string_view path) noexcept;

 private:
  struct File {
    std::string path;
    bool is_new = true;
    bool has_changed = false;
    FileMark known;
    FileMark seen;
  };
  std::vector<File> files_;
  Deadline next_;
};

}  // namespace sluice::control
