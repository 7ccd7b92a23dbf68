#include <sluice/control/outlier_watch.h>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using metrics::AttemptOutcome;

class OutlierWatchTest : public testing::Test {
 protected:
  OutlierWatchTest() {
    std::vector<std::string_view> names = {"a", "b", "c"};
    for (uint32_t i = 0; i < 3; ++i) snapshot_.upstreams.emplace_back().name = names[i];
    for (int model = 0; model < 2; ++model) {
      config::Model& made = snapshot_.models.emplace_back();
      for (uint32_t i = 0; i < 3; ++i) made.routes.emplace_back().upstream = UpstreamId{i};
    }
    snapshot_.outliers = config::OutlierSettings{};
    cells_ = registry_.bind({}, names);
    book_.follow(snapshot_);
    watch_.tick(snapshot_, now_);
  }
  void count(uint32_t upstream, uint64_t ok, uint64_t failed) {
    cells_[0].upstreams[upstream]->attempts[AttemptOutcome::kOk].add(ok);
    cells_[1].upstreams[upstream]->attempts[AttemptOutcome::kServerError].add(failed);
    cells_[1].upstreams[upstream]->attempts[AttemptOutcome::kCancelled].add(500);
  }
  void end_interval() {
    now_ += snapshot_.outliers ? snapshot_.outliers->interval : seconds(10);
    watch_.tick(snapshot_, now_);
  }
  MonoTime ejected_until(const char* name) { return book_.orders(name)->ejected_until; }

  MonoTime now_{seconds(1000)};
  config::Snapshot snapshot_;
  metrics::Registry registry_{2};
  NullLogger log_;
  DeploymentBook book_{registry_, log_};
  OutlierWatch watch_{registry_, book_, log_};
  std::vector<metrics::SnapshotCells> cells_;
};

TEST_F(OutlierWatchTest, the_one_that_fails_is_ejected_once_whatever_the_models) {
  count(0, 40, 60);
  count(1, 100, 0);
  count(2, 99, 1);
  end_interval();
  EXPECT_EQ(ejected_until("a"), now_ + seconds(30));
  EXPECT_EQ(ejected_until("b"), MonoTime::min());
  EXPECT_EQ(registry_.upstream_watch("a").ejections.value(), 1u);
  EXPECT_TRUE(book_.is_hurried());
}

TEST_F(OutlierWatchTest, what_was_counted_in_an_earlier_interval_does_not_count_again) {
  count(0, 40, 60);
  end_interval();
  EXPECT_EQ(ejected_until("a"), MonoTime::min()) << "the others have no requests to compare with";
  count(1, 100, 0);
  count(2, 100, 0);
  end_interval();
  EXPECT_EQ(ejected_until("a"), MonoTime::min());
}

TEST_F(OutlierWatchTest, a_second_ejection_lasts_longer_and_a_cleared_one_is_over) {
  const auto fail_once = [this] {
    count(0, 40, 60);
    count(1, 100, 0);
    count(2, 100, 0);
    end_interval();
  };
  fail_once();
  ASSERT_TRUE(book_.clear("a", now_));
  fail_once();
  EXPECT_EQ(ejected_until("a"), now_ + seconds(60));
}

TEST_F(OutlierWatchTest, without_the_setting_nothing_is_compared) {
  snapshot_.outliers.reset();
  count(0, 0, 100);
  count(1, 100, 0);
  count(2, 100, 0);
  end_interval();
  EXPECT_EQ(ejected_until("a"), MonoTime::min());
}

}  // namespace
}  // namespace sluice::control
