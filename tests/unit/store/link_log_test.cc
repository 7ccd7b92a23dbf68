#include "link_log.h"

#include "redis_world.h"

namespace sluice::store {
namespace {

class LinkLogTest : public testing::Test {
 protected:
  using Lines = std::vector<std::string>;
  support::KeptLines lines_;
  LinkLog log_{lines_};
  MonoTime now_{seconds(100)};
  ServerIdentity identity_{.run_id = "0123456789abcdef", .replication_id = "r"};
};

TEST_F(LinkLogTest, one_line_a_change) {
  log_.note_failure(now_, "a:1", {.text = "connection refused"});
  log_.note_failure(now_, "a:1", {.text = "connect timed out"});
  log_.note_up(now_ + milliseconds(1500), "a:1", "as default", identity_);
  log_.note_lost(now_ + seconds(5), "a:1", {.text = "connection reset"});
  log_.note_failure(now_ + seconds(6), "a:1", {.text = "connection refused"});
  log_.note_up(now_ + seconds(7), "b:2", "as default", {});
  EXPECT_EQ(lines_.lines,
            (Lines{"cannot use a:1: connection refused; it is tried again",
                   "back after 1500 ms: connected to a:1 as default, run id 01234567",
                   "lost a:1: connection reset",
                   "back after 2000 ms: connected to b:2 as default, run id not told"}));
}

TEST_F(LinkLogTest, faults_of_configuration_are_told_once_each) {
  const WireFault wrong{.text = "it refuses our user", .is_of_configuration = true};
  const WireFault other{.text = "TLS: no such name", .is_of_configuration = true};
  log_.note_failure(now_, "a:1", {.text = "connection refused"});
  for (int i = 0; i < 3; ++i) log_.note_failure(now_, "a:1", wrong);
  log_.note_failure(now_, "a:1", {.text = "connection refused"});
  log_.note_failure(now_, "a:1", wrong);
  log_.note_failure(now_, "a:1", other);
  EXPECT_EQ(lines_.lines.size(), 3u);
  log_.note_up(now_, "a:1", "as x", identity_);
  log_.note_lost(now_, "a:1", {.text = "x"});
  log_.note_failure(now_, "a:1", wrong);
  EXPECT_EQ(lines_.lines.size(), 6u);
}

}  // namespace
}  // namespace sluice::store
