#include <sluice/control/file_watch.h>

#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace sluice::control {
namespace {

int64_t ns_of(const timespec& time) noexcept {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

FileMark mark_of(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {.is_there = true,
          .device = status.st_dev,
          .inode = status.st_ino,
          .bytes = status.st_size,
          .modified_ns = ns_of(status.st_mtim),
          .changed_ns = ns_of(status.st_ctim)};
}

void FileWatch::follow(std::vector<std::string> paths, MonoTime now) {
  std::vector<File> files;
  for (std::string& path : paths) {
    const auto known = std::ranges::find(files_, path, &File::path);
    files.push_back(known != files_.end() ? *known : File{.path = std::move(path)});
  }
  files_ = std::move(files);
  next_ = Deadline{now + kLookGap};
}

std::vector<std::string> FileWatch::paths() const {
  std::vector<std::string> paths;
  for (const File& file : files_) paths.push_back(file.path);
  return paths;
}

void FileWatch::take(const std::vector<std::string>& paths, const std::vector<FileMark>& marks,
                     MonoTime now, WallTime wall) {
  next_ = Deadline{now + kLookGap};
  for (size_t i = 0; i < paths.size() && i < marks.size(); ++i) {
    const auto file = std::ranges::find(files_, paths[i], &File::path);
    if (file == files_.end() || !marks[i].is_there) continue;
    const FileMark& mark = marks[i];
    if (std::exchange(file->is_new, false)) {
      // Perhaps it was read before it was changed.
      const int64_t age_ns = wall.unix_us * 1000 - mark.changed_ns;
      const bool is_fresh = age_ns < std::chrono::nanoseconds(kFresh).count();
      if (!is_fresh) file->known = mark;
    } else {
      file->has_changed = mark == file->seen && mark != file->known;
    }
    file->seen = mark;
  }
}

std::optional<std::string> FileWatch::changed() const {
  const auto file = std::ranges::find_if(files_, &File::has_changed);
  if (file == files_.end()) return std::nullopt;
  return file->path;
}

void FileWatch::settle() noexcept {
  for (File& file : files_) {
    file.known = file.seen;
    file.has_changed = false;
  }
}

void FileWatch::put_off(std::string_view path) noexcept {
  const auto file = std::ranges::find(files_, path, &File::path);
  if (file != files_.end()) file->known = {};
}

}  // namespace sluice::control
