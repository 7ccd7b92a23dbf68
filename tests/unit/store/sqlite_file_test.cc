#include "sqlite_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "sqlite_folder.h"

namespace sluice::store {
namespace {

TEST(SqliteFile, is_made_for_its_owner_alone_and_left_as_it_is_when_there) {
  const SqliteFolder folder;
  ASSERT_TRUE(make_private_file(folder.file()));
  struct stat status{};
  ASSERT_EQ(::stat(folder.file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
  ASSERT_EQ(::chmod(folder.file().c_str(), 0640), 0);
  ASSERT_TRUE(make_private_file(folder.file()));
  ASSERT_EQ(::stat(folder.file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0640u);
}

TEST(SqliteFile, a_second_lock_is_refused_and_names_the_process) {
  const SqliteFolder folder;
  auto first = SqliteLock::take(folder.file());
  ASSERT_TRUE(first);
  const auto second = SqliteLock::take(folder.file());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error(), folder.file() + " is in use by the process " +
                                std::to_string(::getpid()) +
                                "; end that process, or give this one a path of its own");
  *first = SqliteLock();
  EXPECT_TRUE(SqliteLock::take(folder.file()));
}

TEST(SqliteFile, a_lock_ends_with_its_process) {
  const SqliteFolder folder;
  EXPECT_EQ(exit_of_child(false,
                          [&] {
                            const auto lock = SqliteLock::take(folder.file());
                            if (lock) ::kill(::getpid(), SIGKILL);
                            return 1;
                          }),
            -SIGKILL);
  EXPECT_TRUE(SqliteLock::take(folder.file()));
}

TEST(SqliteFile, two_names_of_a_file_are_one) {
  const SqliteFolder folder;
  ASSERT_TRUE(make_private_file(folder.file()));
  const std::string link = folder.directory() + "/link.db";
  std::filesystem::create_symlink(folder.file(), link);
  EXPECT_EQ(resolved_path(link), folder.file());
  EXPECT_EQ(resolved_path(folder.directory() + "/./new.db"), folder.directory() + "/new.db");
  EXPECT_EQ(resolved_path("/no/such/place.db"), "/no/such/place.db");
}

TEST(SqliteFile, says_what_is_wrong_with_a_place) {
  const SqliteFolder folder;
  EXPECT_EQ(access_fault(folder.file()), "");
  EXPECT_EQ(access_fault(folder.directory()),
            folder.directory() + " is a directory; name a file in it");
  const std::string missing = folder.directory() + "/none/keys.db";
  EXPECT_EQ(access_fault(missing),
            "cannot write beside " + missing + ": No such file or directory; make the directory " +
                folder.directory() + "/none, owned by the user that this runs as");
  EXPECT_EQ(exit_of_child(true,
                          [&] {
                            const std::string fault = access_fault(folder.file());
                            return fault.find("Permission denied; let the user that this runs") ==
                                           std::string::npos
                                       ? 1
                                       : 0;
                          }),
            ::geteuid() == 0 ? 0 : 1);
}

}  // namespace
}  // namespace sluice::store
