#include "journal_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <system_error>

#include <fmt/format.h>

#include <sluice/store/file_lock.h>

#include "journal_frame.h"

namespace sluice::store {
namespace {

constexpr std::string_view kPrefix = "spend-";
constexpr std::string_view kSuffix = ".journal";
constexpr size_t kReadBytes = 1u << 20;

// Zero for a name that is not a segment's.
uint64_t segment_of(std::string_view name) noexcept {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return 0;
  if (name.size() <= kPrefix.size() + kSuffix.size()) return 0;
  name = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
  uint64_t segment = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), segment);
  return error == std::errc() && end == name.data() + name.size() ? segment : 0;
}

class OwnedFd {
 public:
  explicit OwnedFd(int fd) noexcept : fd_(fd) {}
  ~OwnedFd() {
    if (fd_ >= 0) ::close(fd_);
  }
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  [[nodiscard]] int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// Appends what the file has next; the count, 0 at its end, -1 on failure.
ssize_t read_more(int fd, std::string& buffer) {
  const size_t before = buffer.size();
  buffer.resize(before + kReadBytes);
  ssize_t count = 0;
  do {
    count = ::read(fd, buffer.data() + before, kReadBytes);
  } while (count < 0 && errno == EINTR);
  buffer.resize(before + static_cast<size_t>(std::max<ssize_t>(count, 0)));
  return count;
}

}  // namespace

ssize_t SystemFileCalls::write(int fd, const void* bytes, size_t count) noexcept {
  return ::write(fd, bytes, count);
}

int SystemFileCalls::sync(int fd) noexcept { return ::fdatasync(fd); }

JournalFiles::JournalFiles(std::string directory, FileCalls& calls) noexcept
    : directory_(std::move(directory)), calls_(calls) {}

JournalFiles::~JournalFiles() {
  for (const int fd : {fd_, directory_fd_}) {
    if (fd >= 0) ::close(fd);
  }
  if (lock_fd_ >= 0) unlock_file(lock_fd_);
}

bool JournalFiles::lock() {
  if (::mkdir(directory_.c_str(), 0750) != 0 && errno != EEXIST) {
    return fail("cannot make the journal's directory " + directory_, errno);
  }
  directory_fd_ = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory_fd_ < 0) return fail("cannot open the journal's directory " + directory_, errno);
  const std::string path = directory_ + "/lock";
  lock_fd_ = lock_file(path, 0640);
  if (lock_fd_ >= 0) return true;
  if (lock_fd_ != -EWOULDBLOCK) return fail("cannot open and lock " + path, -lock_fd_);
  problem_ = fmt::format(
      "another process writes the journal in {}; end it, or give this one a journal.directory of "
      "its own",
      directory_);
  return false;
}

bool JournalFiles::replay(JournalVisitor& visitor, std::vector<JournalNote>* notes,
                          bool is_written) {
  std::vector<uint64_t> segments;
  if (!list_segments(&segments)) return false;
  const Part last = is_written ? Part::kLastWritten : Part::kLast;
  for (const uint64_t segment : segments) {
    const Part part = segment == segments.back() ? last : Part::kOlder;
    if (!replay_segment(segment, part, visitor, notes)) return false;
  }
  return !segments.empty() || rotate({});
}

bool JournalFiles::read_on(JournalVisitor& visitor, std::vector<JournalNote>* notes) {
  const std::string path = path_of(segment_);
  if (::lseek(fd_, static_cast<off_t>(bytes_), SEEK_SET) < 0) {
    return fail("cannot read " + path, errno);
  }
  std::string buffer;
  if (!read_frames(fd_, path, buffer, &bytes_, visitor)) return false;
  return buffer.empty() || cut(fd_, path, bytes_, notes);
}

bool JournalFiles::rejoin(std::vector<JournalNote>* notes) {
  class Nobody final : public JournalVisitor {
    void on_payload(std::string_view /*payload*/) override {}
  };
  Nobody nobody;
  std::vector<uint64_t> segments;
  if (!list_segments(&segments)) return false;
  if (segments.empty()) return rotate({});
  const int before = std::exchange(fd_, -1);
  if (before >= 0) ::close(before);
  return replay_segment(segments.back(), Part::kLast, nobody, notes);
}

std::string JournalFiles::path_of(uint64_t segment) const {
  return fmt::format("{}/{}{}{}", directory_, kPrefix, segment, kSuffix);
}

bool JournalFiles::list_segments(std::vector<uint64_t>* segments) {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(directory_.c_str()), ::closedir);
  if (listing == nullptr) return fail("cannot list " + directory_, errno);
  while (const dirent* entry = ::readdir(listing.get())) {
    const uint64_t segment = segment_of(entry->d_name);
    if (segment != 0) segments->push_back(segment);
  }
  std::sort(segments->begin(), segments->end());
  return true;
}

bool JournalFiles::read_frames(int fd, const std::string& path, std::string& buffer, uint64_t* good,
                               JournalVisitor& visitor) {
  for (;;) {
    FrameReader reader(buffer);
    std::string_view payload;
    FrameReader::Found found = reader.next(&payload);
    for (; found == FrameReader::Found::kFrame; found = reader.next(&payload)) {
      visitor.on_payload(payload);
    }
    *good += reader.taken();
    buffer.erase(0, reader.taken());
    if (found == FrameReader::Found::kBad) return true;
    const ssize_t more = read_more(fd, buffer);
    if (more < 0) return fail("cannot read " + path, errno);
    if (more == 0) return true;
  }
}

bool JournalFiles::replay_segment(uint64_t segment, Part part, JournalVisitor& visitor,
                                  std::vector<JournalNote>* notes) {
  const std::string path = path_of(segment);
  OwnedFd fd(::open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
  if (fd.get() < 0) return fail("cannot open " + path, errno);
  std::string buffer;
  if (read_more(fd.get(), buffer) < 0) return fail("cannot read " + path, errno);
  if (!is_segment_head(buffer)) {
    std::string text = path + " does not begin as a journal of this version; ";
    if (part != Part::kOlder) {
      problem_ = text + "move it elsewhere to begin a new one, or run the version that wrote it";
      return false;
    }
    notes->push_back({true, text + "what it held is missing from the spend"});
    return true;
  }
  uint64_t good = kSegmentHeadBytes;  // Bytes of the file that are in order.
  buffer.erase(0, kSegmentHeadBytes);
  if (!read_frames(fd.get(), path, buffer, &good, visitor)) return false;
  if (part == Part::kOlder) {
    if (buffer.empty()) return true;
    notes->push_back({true, fmt::format("{} is damaged at byte {}; what it held from there on is "
                                        "missing from the spend unless a later segment sums it up",
                                        path, good)});
    return true;
  }
  if (!buffer.empty() && part == Part::kLast && !cut(fd.get(), path, good, notes)) return false;
  segment_ = segment;
  bytes_ = good;
  fd_ = fd.release();
  return true;
}

bool JournalFiles::cut(int fd, const std::string& path, uint64_t keep,
                       std::vector<JournalNote>* notes) {
  struct stat before{};
  if (::fstat(fd, &before) != 0) return fail("cannot look at " + path, errno);
  if (::ftruncate(fd, static_cast<off_t>(keep)) != 0 || calls_.sync(fd) != 0) {
    return fail("cannot cut the torn end off " + path, errno);
  }
  notes->push_back(
      {false, fmt::format("{} was torn at byte {}, as after a kill or a power loss; the {} bytes "
                          "behind it were cut off",
                          path, keep, static_cast<uint64_t>(before.st_size) - keep)});
  return true;
}

bool JournalFiles::write(std::string_view bytes, size_t* written) {
  const size_t before = *written;
  const bool is_done = write_to(fd_, bytes, written, path_of(segment_));
  bytes_ += *written - before;
  return is_done;
}

bool JournalFiles::write_to(int fd, std::string_view bytes, size_t* written,
                            const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t count = calls_.write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return fail("cannot write to " + path, count == 0 ? EIO : errno);
    bytes.remove_prefix(static_cast<size_t>(count));
    *written += static_cast<size_t>(count);
  }
  return true;
}

bool JournalFiles::sync() {
  if (calls_.sync(fd_) == 0) return true;
  sync_problem_ = fmt::format("cannot sync {} to its disk: {}; look at the disk's own messages",
                              path_of(segment_), std::generic_category().message(errno));
  return false;
}

bool JournalFiles::rotate(std::string_view frames) {
  const uint64_t next = segment_ + 1;
  const std::string path = path_of(next);
  const std::string unfinished = path + ".tmp";
  OwnedFd fd(::open(unfinished.c_str(),
                    O_RDWR | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (fd.get() < 0) return fail("cannot open " + unfinished, errno);
  std::string head;
  append_segment_head(head);
  size_t written = 0;
  bool is_whole = write_to(fd.get(), head, &written, unfinished) &&
                  write_to(fd.get(), frames, &written, unfinished);
  if (is_whole && calls_.sync(fd.get()) != 0) is_whole = fail("cannot sync " + unfinished, errno);
  if (is_whole && ::rename(unfinished.c_str(), path.c_str()) != 0) {
    is_whole = fail("cannot rename " + unfinished, errno);
  }
  if (!is_whole) {
    ::unlink(unfinished.c_str());
    return false;
  }
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd.release();
  segment_ = next;
  bytes_ = written;
  // A name that a power loss may take back must not be all that is left.
  if (calls_.sync(directory_fd_) == 0) delete_before(next);
  return true;
}

void JournalFiles::delete_before(uint64_t segment) noexcept {
  std::vector<uint64_t> segments;
  if (!list_segments(&segments)) return;
  for (const uint64_t old : segments) {
    if (old < segment) ::unlink(path_of(old).c_str());
  }
}

bool JournalFiles::fail(const std::string& action, int error) {
  problem_ = fmt::format("{}: {}; check that it exists, may be written and has space left", action,
                         std::generic_category().message(error));
  return false;
}

}  // namespace sluice::store
