#include <sluice/telemetry/line_file.h>

#include <gtest/gtest.h>

#include <sched.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "scratch_folder.h"

namespace sluice::telemetry {
namespace {

TEST(LineFile, writes_what_waits_before_it_dies) {
  const ScratchFolder folder;
  {
    LineFile file(-1);
    ASSERT_EQ(file.open(folder.file("log")), "");
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(file.append("line\n", 1));
    EXPECT_EQ(file.take_dropped(), 0u);
  }
  EXPECT_EQ(folder.read("log").size(), 500u);
}

TEST(LineFile, a_wrong_path_is_an_error_at_the_start) {
  const ScratchFolder folder;
  LineFile file(-1);
  const std::string problem = file.open(folder.file("none/log"));
  EXPECT_NE(problem.find("none/log: No such file or directory; check"), std::string::npos);
}

TEST(LineFile, reopens_in_the_order_of_the_lines) {
  const ScratchFolder folder;
  {
    LineFile file(-1);
    ASSERT_EQ(file.open(folder.file("a")), "");
    file.append("1\n", 1);
    file.reopen(folder.file("b"));
    file.append("2\n", 1);
  }
  EXPECT_EQ(folder.read("a"), "1\n");
  EXPECT_EQ(folder.read("b"), "2\n");
}

// Goal: a destination that hangs costs lines and never the caller's time. The pipe is not read
// until everything was appended, so any wait would last for ever.
TEST(LineFile, d071_d072_a_hanging_destination_drops_and_counts) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const std::string block(1 << 20, 'x');
  constexpr uint64_t kBlocks = 20;
  uint64_t accepted = 0;
  auto file = std::make_unique<LineFile>(ends[1]);
  for (uint64_t i = 0; i < kBlocks; ++i) accepted += file->append(block, 10) ? 1u : 0u;
  EXPECT_EQ(accepted, LineFile::kWaitingBytesMax / block.size());
  EXPECT_EQ(file->take_dropped(), 10 * (kBlocks - accepted));
  EXPECT_EQ(file->take_dropped(), 0u);

  std::array<char, 65536> buffer;
  for (uint64_t left = accepted * block.size(); left > 0;) {
    const ssize_t length = ::read(ends[0], buffer.data(), buffer.size());
    ASSERT_GT(length, 0);
    left -= static_cast<uint64_t>(length);
  }
  file.reset();
  ::close(ends[0]);
  ::close(ends[1]);
}

// Goal: lines whose write fails are lost lines too. The pipe tells when the jobs before are done.
TEST(LineFile, failed_writes_count_as_dropped) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  LineFile file(ends[1]);
  ASSERT_EQ(file.open("/dev/full"), "");
  file.append("a\nb\n", 2);
  file.reopen("");
  file.append("done\n", 1);
  std::array<char, 5> buffer;
  ASSERT_EQ(::read(ends[0], buffer.data(), buffer.size()), 5);
  EXPECT_EQ(file.take_dropped(), 2u);
  EXPECT_NE(file.take_problem().find("/dev/full"), std::string::npos);
  EXPECT_EQ(file.take_problem(), "");
  ::close(ends[0]);
  ::close(ends[1]);
}

// Goal: a disk that is full for an hour is one line of the log, and its end another one.
TEST(LineFile, a_failure_is_told_once_and_its_end_too) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  LineFile file(ends[1]);
  ASSERT_EQ(file.open("/dev/full"), "");
  // A line through the pipe says that the jobs before it are done.
  const auto settle = [&] {
    std::array<char, 5> buffer;
    file.reopen("");
    file.append("done\n", 1);
    return ::read(ends[0], buffer.data(), buffer.size()) == 5;
  };
  for (int i = 0; i < 3; ++i) file.append("a\n", 1);
  EXPECT_FALSE(file.take_recovery());
  ASSERT_TRUE(settle());
  EXPECT_NE(file.take_problem(), "");
  EXPECT_EQ(file.take_dropped(), 3u);
  // What says that the jobs are done is noted a moment after its bytes have come.
  ASSERT_TRUE(settle());
  EXPECT_TRUE(file.take_recovery());
  EXPECT_FALSE(file.take_recovery());
  EXPECT_EQ(file.take_problem(), "");
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(LineFile, each_write_that_fails_after_the_first_is_no_news) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  LineFile file(ends[1]);
  ASSERT_EQ(file.open("/dev/full"), "");
  const auto told = [&] {
    for (int i = 0; i < 1'000'000; ++i) {
      if (file.take_dropped() > 0) return file.take_problem();
      ::sched_yield();
    }
    return std::string("never");
  };
  file.append("a\n", 1);
  std::string first = told();  // Counted before it is noted.
  file.append("b\n", 1);
  std::string second = told();
  EXPECT_NE(first + second, "");
  file.append("c\n", 1);
  EXPECT_EQ(told(), "");
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace sluice::telemetry
