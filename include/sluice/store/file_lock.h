// Locks of files by flock(2), which a successor takes over with their descriptors.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace sluice::store {

// A lock belongs to the descriptor and all its duplicates, wherever they are: passed to another
// process it is held by both until the last one closes it, and nobody else can have it in between.
struct HeldLock {
  std::string path;
  int fd = -1;
};

// All of these: the control thread, or the main thread before there is one.
//
// Makes the file when it is missing. Returns the descriptor, or a negative errno: -EWOULDBLOCK when
// another process has the lock. What was inherited counts as free, once.
[[nodiscard]] int lock_file(const std::string& path, mode_t mode);
void unlock_file(int fd) noexcept;

// Locks that this process holds; their descriptors stay its own.
[[nodiscard]] std::vector<HeldLock> held_locks();

// Takes over what a predecessor has passed; before the first lock_file().
void inherit_locks(std::vector<int> fds);
// Closes what was inherited and not asked for.
void drop_inherited_locks() noexcept;

}  // namespace sluice::store
