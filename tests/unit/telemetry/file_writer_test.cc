#include <sluice/telemetry/file_writer.h>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <thread>

#include "scratch_folder.h"

namespace sluice::telemetry {
namespace {

TEST(FileWriter, appends_to_what_is_there) {
  const ScratchFolder folder;
  std::ofstream(folder.file("log")) << "old\n";
  FileWriter writer(-1);
  ASSERT_TRUE(writer.open(folder.file("log")));
  EXPECT_TRUE(writer.write("new\n"));
  EXPECT_EQ(folder.read("log"), "old\nnew\n");
}

TEST(FileWriter, a_rotated_file_is_left_and_a_new_one_begun) {
  const ScratchFolder folder;
  FileWriter writer(-1);
  ASSERT_TRUE(writer.open(folder.file("log")));
  writer.write("1\n");
  std::filesystem::rename(folder.file("log"), folder.file("log.1"));
  writer.write("2\n");
  ASSERT_TRUE(writer.open(folder.file("log")));
  writer.write("3\n");
  EXPECT_EQ(folder.read("log.1"), "1\n2\n");
  EXPECT_EQ(folder.read("log"), "3\n");
}

TEST(FileWriter, keeps_the_open_file_when_the_next_cannot_be_opened) {
  const ScratchFolder folder;
  FileWriter writer(-1);
  ASSERT_TRUE(writer.open(folder.file("log")));
  EXPECT_FALSE(writer.open(folder.file("no/such/folder")));
  EXPECT_NE(writer.problem().find("no/such/folder: No such file or directory;"), std::string::npos);
  EXPECT_EQ(writer.errors(), 1u);
  EXPECT_TRUE(writer.write("still here\n"));
  EXPECT_EQ(folder.read("log"), "still here\n");
}

TEST(FileWriter, says_what_failed_and_counts_it) {
  FileWriter writer(-1);
  ASSERT_TRUE(writer.open("/dev/full"));
  EXPECT_FALSE(writer.write("x\n"));
  EXPECT_NE(writer.problem().find("cannot write to /dev/full: No space left"), std::string::npos);
  EXPECT_EQ(writer.errors(), 1u);
}

// Goal: a line that did not fit spoils only itself.
TEST(FileWriter, a_torn_line_is_ended_before_the_next_one) {
  const ScratchFolder folder;
  FileWriter writer(-1);
  ASSERT_TRUE(writer.open(folder.file("log")));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 8, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const bool first = writer.write("one\ntwo and more\n");
  const bool second = writer.write("lost\n");
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, old);
  EXPECT_FALSE(first);
  EXPECT_FALSE(second);
  EXPECT_TRUE(writer.write("three\n"));
  EXPECT_TRUE(writer.write("four\n"));
  EXPECT_EQ(folder.read("log"), "one\ntwo \nthree\nfour\n");
}

// Goal: a descriptor that someone made non-blocking, and that takes a part at a time, loses
// nothing.
TEST(FileWriter, writes_all_to_a_non_blocking_pipe) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  ASSERT_EQ(::fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
  constexpr size_t kBytes = 1 << 20;
  size_t received = 0;
  std::thread reader([&] {
    std::array<char, 4096> buffer;
    while (received < kBytes) {
      const ssize_t length = ::read(ends[0], buffer.data(), buffer.size());
      if (length <= 0) break;
      received += static_cast<size_t>(length);
    }
  });
  FileWriter writer(ends[1]);
  EXPECT_TRUE(writer.write(std::string(kBytes, 'x')));
  reader.join();
  EXPECT_EQ(received, kBytes);
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace sluice::telemetry
