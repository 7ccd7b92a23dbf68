#include <sluice/store/file_lock.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include <gtest/gtest.h>

#include "journal_folder.h"

namespace sluice::store {
namespace {

class FileLockTest : public ::testing::Test {
 protected:
  // What another process gets.
  int lock_elsewhere() {
    const pid_t child = ::fork();
    if (child == 0) {
      drop_inherited_locks();  // Of a process that was not passed any.
      ::_exit(lock_file(path_, 0600) == -EWOULDBLOCK ? 1 : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status) == 1 ? -EWOULDBLOCK : 0;
  }

  JournalFolder folder_;
  std::string path_ = folder_.path() + ".lock";
};

TEST_F(FileLockTest, one_process_has_it) {
  const int lock = lock_file(path_, 0600);
  ASSERT_GE(lock, 0);
  ASSERT_EQ(held_locks().size(), 1u);
  EXPECT_EQ(held_locks().front().path, path_);
  EXPECT_EQ(lock_elsewhere(), -EWOULDBLOCK);
  EXPECT_EQ(lock_file(path_, 0600), -EWOULDBLOCK);
  unlock_file(lock);
  EXPECT_TRUE(held_locks().empty());
  EXPECT_EQ(lock_elsewhere(), 0);
}

TEST_F(FileLockTest, what_was_inherited_is_held_without_a_gap) {
  const int lock = lock_file(path_, 0600);
  ASSERT_GE(lock, 0);
  inherit_locks({::fcntl(lock, F_DUPFD_CLOEXEC, 3)});
  const int heirs = lock_file(path_, 0600);
  ASSERT_GE(heirs, 0);
  unlock_file(lock);  // The predecessor has gone.
  EXPECT_EQ(lock_elsewhere(), -EWOULDBLOCK);
  // It is free once only.
  EXPECT_EQ(lock_file(path_, 0600), -EWOULDBLOCK);
  unlock_file(heirs);
  EXPECT_EQ(lock_elsewhere(), 0);
}

TEST_F(FileLockTest, what_is_not_asked_for_is_given_back) {
  const int lock = lock_file(path_, 0600);
  inherit_locks({::fcntl(lock, F_DUPFD_CLOEXEC, 3)});
  unlock_file(lock);
  EXPECT_EQ(lock_elsewhere(), -EWOULDBLOCK);
  drop_inherited_locks();
  EXPECT_EQ(lock_elsewhere(), 0);
}

TEST_F(FileLockTest, a_path_that_cannot_be_opened_is_an_error) {
  EXPECT_EQ(lock_file("/nowhere/at/all.lock", 0600), -ENOENT);
}

}  // namespace
}  // namespace sluice::store
