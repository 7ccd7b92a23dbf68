#include <sluice/metrics/exposition.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace sluice::metrics {
namespace {

std::string print(const Registry& registry, const ScrapeSample& sample = {}) {
  std::string text;
  append_exposition(registry, sample, text);
  return text;
}

bool has_line(const std::string& text, const std::string& line) {
  return text.find("\n" + line + "\n") != std::string::npos;
}

size_t count_series(const std::string& text) {
  size_t count = 0;
  for (size_t begin = 0; begin < text.size(); begin = text.find('\n', begin) + 1) {
    count += text[begin] != '#' ? 1u : 0u;
  }
  return count;
}

TEST(Exposition, merges_the_shards) {
  Registry registry(3);
  for (uint32_t i = 0; i < 3; ++i) registry.shard(ShardId{i}).connections_accepted.add(i + 1);
  EXPECT_TRUE(has_line(print(registry), "sluice_connections_accepted_total 6"));
}

TEST(Exposition, a_gauge_may_fall_on_another_shard_than_it_rose) {
  Registry registry(2);
  registry.shard(ShardId{0}).connections_open.add(5);
  registry.shard(ShardId{1}).connections_open.sub(2);
  EXPECT_TRUE(has_line(print(registry), "sluice_connections_open 3"));
  registry.shard(ShardId{1}).connections_open.sub(9);
  EXPECT_TRUE(has_line(print(registry), "sluice_connections_open 0"));
}

TEST(Exposition, labels_stand_in_their_order_and_are_escaped) {
  Registry registry(1);
  const std::string_view models[] = {"we\"ird\\na\nme"};
  const auto cells = registry.bind(models, {});
  cells[0].model(ModelId{0}).count_request(Endpoint::kChatCompletions, 200);
  EXPECT_TRUE(has_line(print(registry),
                       "sluice_requests_total{endpoint=\"/v1/chat/completions\","
                       "model=\"we\\\"ird\\\\na\\nme\",code=\"200\"} 1"));
}

TEST(Exposition, histogram_buckets_accumulate_and_count_equals_infinity) {
  Registry registry(2);
  registry.shard(ShardId{0}).overhead.record(microseconds(7));
  registry.shard(ShardId{1}).overhead.record(microseconds(30));
  registry.shard(ShardId{1}).overhead.record(seconds(100));
  const std::string text = print(registry);
  EXPECT_TRUE(has_line(text, "sluice_overhead_seconds_bucket{le=\"5e-06\"} 0"));
  EXPECT_TRUE(has_line(text, "sluice_overhead_seconds_bucket{le=\"1e-05\"} 1"));
  EXPECT_TRUE(has_line(text, "sluice_overhead_seconds_bucket{le=\"5e-05\"} 2"));
  EXPECT_TRUE(has_line(text, "sluice_overhead_seconds_bucket{le=\"10\"} 2"));
  EXPECT_TRUE(has_line(text, "sluice_overhead_seconds_bucket{le=\"+Inf\"} 3"));
  EXPECT_TRUE(has_line(text, "sluice_overhead_seconds_count 3"));
  EXPECT_TRUE(has_line(text, "sluice_overhead_seconds_sum 100.000037"));
}

// Goal: what clients send makes no series. Every request for a model that is not configured has
// an invalid id, whatever its name was, so the names themselves cannot even be handed in.
TEST(Exposition, d068_ten_thousand_unknown_models_leave_the_series_constant) {
  Registry registry(1);
  const std::string_view models[] = {"a"};
  const auto cells = registry.bind(models, {});
  cells[0].model(ModelId{}).count_request(Endpoint::kChatCompletions, 404);
  const size_t before = count_series(print(registry));
  std::mt19937 random(1);
  for (int i = 0; i < 10'000; ++i) {
    const ModelId unknown{1 + static_cast<uint32_t>(random() % 1'000'000)};
    cells[0].model(unknown).count_request(Endpoint::kChatCompletions, 404);
  }
  const std::string text = print(registry);
  EXPECT_EQ(count_series(text), before);
  EXPECT_TRUE(has_line(text,
                       "sluice_requests_total{endpoint=\"/v1/chat/completions\","
                       "model=\"other\",code=\"404\"} 10001"));
}

// Goal: no series depends on who calls. Whatever statuses and endpoints users provoke, the whole
// product of the closed sets is the most there can be.
TEST(Exposition, d069_series_are_bounded_by_the_closed_sets) {
  Registry registry(1);
  const std::string_view models[] = {"a"};
  const auto cells = registry.bind(models, {});
  const size_t before = count_series(print(registry));
  for (uint32_t status = 0; status < 1000; ++status) {
    for (size_t endpoint = 0; endpoint < kEndpointNames.size(); ++endpoint) {
      for (const ModelId model : {ModelId{0}, ModelId{}}) {
        cells[0].model(model).count_request(static_cast<Endpoint>(endpoint),
                                            static_cast<uint16_t>(status));
      }
    }
  }
  EXPECT_EQ(count_series(print(registry)), before + 2 * kEndpointNames.size() * kCodeNames.size());
}

TEST(Exposition, unused_other_upstream_is_not_shown) {
  Registry registry(1);
  const std::string_view upstreams[] = {"u"};
  const auto cells = registry.bind({}, upstreams);
  EXPECT_EQ(cells[0].upstreams.size(), 1u);
  const std::string text = print(registry);
  EXPECT_TRUE(has_line(text, "sluice_upstream_in_flight{upstream=\"u\"} 0"));
  EXPECT_EQ(text.find("upstream=\"other\""), std::string::npos);
}

TEST(ProcessSample, says_something_about_this_process) {
  const ProcessSample sample = read_process_sample();
  EXPECT_GT(sample.resident_bytes, 100'000u);
  EXPECT_GE(sample.open_fds, 3u);
  EXPECT_GT(sample.start_time_seconds, 1.6e9);
  EXPECT_EQ(read_process_sample().start_time_seconds, sample.start_time_seconds);
}

}  // namespace
}  // namespace sluice::metrics
