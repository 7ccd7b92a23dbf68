// The files of a journal: segments in a directory that one process owns. Blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/store/file_calls.h>
#include <sluice/store/journal.h>

namespace sluice::store {

// Segments are called spend-<n>.journal, with n rising; the last one is appended to. What fails
// says why in problem(), with cause, place and remedy.
//
// One thread at a time, but sync(), which may run beside write().
class JournalFiles {
 public:
  JournalFiles(std::string directory, FileCalls& calls) noexcept;
  ~JournalFiles();
  JournalFiles(const JournalFiles&) = delete;
  JournalFiles& operator=(const JournalFiles&) = delete;

  // Takes the directory, which is made when it is missing. False when another process has it.
  bool lock();
  // Shows every whole frame, oldest first, cuts a torn end off, and opens the last segment for
  // appending; makes one when there is none. `notes` says what could not be read. What another
  // process still appends to, `is_written`, is not cut: read_on() does it.
  bool replay(JournalVisitor& visitor, std::vector<JournalNote>* notes, bool is_written = false);
  // Shows what has been appended to the last segment since it was read, and cuts a torn end off.
  bool read_on(JournalVisitor& visitor, std::vector<JournalNote>* notes);
  // Others have written meanwhile and do no more: appends to the segment that is now the last.
  bool rejoin(std::vector<JournalNote>* notes);

  // Adds what was written to `written`, also when the rest failed.
  bool write(std::string_view bytes, size_t* written);
  bool sync();
  // Begins a segment with `frames`, and deletes the older ones once it is durable. When it fails,
  // the present segment stays in use.
  bool rotate(std::string_view frames);

  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }
  [[nodiscard]] const std::string& sync_problem() const noexcept { return sync_problem_; }
  [[nodiscard]] uint64_t segment() const noexcept { return segment_; }
  // Of the present segment, as far as replay() and write() know.
  [[nodiscard]] uint64_t bytes() const noexcept { return bytes_; }

 private:
  [[nodiscard]] std::string path_of(uint64_t segment) const;
  bool list_segments(std::vector<uint64_t>* segments);
  enum class Part : uint8_t { kOlder, kLast, kLastWritten };
  bool replay_segment(uint64_t segment, Part part, JournalVisitor& visitor,
                      std::vector<JournalNote>* notes);
  // From where the file stands, behind `buffer`. What is no whole frame stays in it.
  bool read_frames(int fd, const std::string& path, std::string& buffer, uint64_t* good,
                   JournalVisitor& visitor);
  bool cut(int fd, const std::string& path, uint64_t keep, std::vector<JournalNote>* notes);
  bool write_to(int fd, std::string_view bytes, size_t* written, const std::string& path);
  bool fail(const std::string& action, int error);
  void delete_before(uint64_t segment) noexcept;

  const std::string directory_;
  FileCalls& calls_;
  int directory_fd_ = -1;
  int lock_fd_ = -1;
  int fd_ = -1;
  uint64_t segment_ = 0;
  uint64_t bytes_ = 0;
  std::string problem_;
  std::string sync_problem_;
};

}  // namespace sluice::store
