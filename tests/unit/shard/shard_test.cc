#include <sluice/shard/shard.h>

#include <gtest/gtest.h>

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>

namespace sluice::shard {
namespace {

// A folder that looks like a cgroup's.
class CgroupTest : public testing::Test {
 protected:
  CgroupTest() {
    std::string name = testing::TempDir() + "sluice-cgroup-XXXXXX";
    root_ = mkdtemp(name.data());
  }
  ~CgroupTest() override { std::filesystem::remove_all(root_); }

  void write(const std::string& file, const std::string& text) {
    const std::filesystem::path path = root_ / file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  [[nodiscard]] uint32_t count() const { return default_shard_count(root_.string()); }

  std::filesystem::path root_;
  const uint32_t cores_ = static_cast<uint32_t>(allowed_cpus().size());
};

TEST_F(CgroupTest, without_a_quota_there_is_one_shard_per_allowed_core) {
  EXPECT_GE(cores_, 1u);
  EXPECT_EQ(count(), cores_);
  write("cpu.max", "max 100000\n");
  EXPECT_EQ(count(), cores_);
}

TEST_F(CgroupTest, a_quota_caps_the_count_and_is_rounded_down) {
  write("cpu.max", "100000 100000\n");
  EXPECT_EQ(count(), 1u);
  write("cpu.max", "190000 100000\n");
  EXPECT_EQ(count(), 1u);
  write("cpu.max", "200000 100000\n");
  EXPECT_EQ(count(), std::min(2u, cores_));
}

TEST_F(CgroupTest, a_quota_below_one_core_still_gives_one_shard) {
  write("cpu.max", "20000 100000\n");
  EXPECT_EQ(count(), 1u);
}

TEST_F(CgroupTest, a_quota_above_the_cores_changes_nothing) {
  write("cpu.max", "100000000 100000\n");
  EXPECT_EQ(count(), cores_);
}

TEST_F(CgroupTest, the_first_version_is_read_where_the_second_is_absent) {
  write("cpu/cpu.cfs_quota_us", "100000\n");
  write("cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(count(), 1u);
  write("cpu/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(count(), cores_);
}

TEST_F(CgroupTest, nonsense_counts_as_no_quota) {
  for (const std::string text : {"", "garbage", "100000", "100000 0", "-5 100000"}) {
    write("cpu.max", text);
    EXPECT_EQ(count(), cores_) << text;
  }
}

// Stops its loop at once; says which thread it died on.
class BriefProgram final : public Program {
 public:
  BriefProgram(io::Ring& ring, std::promise<pid_t>& died) : ring_(ring), died_(died) {}
  ~BriefProgram() override { died_.set_value(static_cast<pid_t>(::syscall(SYS_gettid))); }
  [[nodiscard]] bool has_work() const noexcept override { return true; }
  void run() override { ring_.stop(); }

 private:
  io::Ring& ring_;
  std::promise<pid_t>& died_;
};

// Goal: the control thread may wake a shard that has drained while another one still serves.
TEST(Shard, its_ring_outlives_its_loop) {
  std::promise<pid_t> died;
  auto shard = Shard::start({.id = ShardId{0}}, [&died](io::Ring& ring) {
    return std::make_unique<BriefProgram>(ring, died);
  });
  ASSERT_TRUE(shard.has_value()) << shard.error();
  const pid_t thread = died.get_future().get();
  constexpr int kLooks = 1000;
  for (int i = 0; i < kLooks; ++i) {
    (*shard)->ring().wake();
    ASSERT_EQ(::syscall(SYS_tgkill, ::getpid(), thread, 0), 0);
    ::syscall(SYS_sched_yield);
  }
}

}  // namespace
}  // namespace sluice::shard
