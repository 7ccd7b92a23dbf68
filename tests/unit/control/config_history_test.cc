#include <sluice/control/config_history.h>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

ConfigVersion version(uint64_t generation, std::string text) {
  ConfigVersion version;
  version.generation = generation;
  version.text = std::move(text);
  return version;
}

TEST(ConfigHistory, finds_by_generation_and_knows_the_newest) {
  ConfigHistory history;
  EXPECT_EQ(history.newest(), nullptr);
  history.add(version(1, "a"));
  history.add(version(4, "b"));
  EXPECT_EQ(history.newest()->text, "b");
  EXPECT_EQ(history.find(1)->text, "a");
  EXPECT_EQ(history.find(2), nullptr);
}

TEST(ConfigHistory, keeps_so_many) {
  ConfigHistory history;
  history.add(version(1, "first"));
  for (uint64_t i = 2; i <= ConfigHistory::kVersionsMost + 1; ++i) history.add(version(i, "x"));
  EXPECT_EQ(history.versions().size(), ConfigHistory::kVersionsMost);
  EXPECT_EQ(history.find(1), nullptr);
}

TEST(ConfigHistory, large_texts_leave_two) {
  ConfigHistory history;
  for (uint64_t i = 1; i <= 3; ++i) {
    history.add(version(i, std::string(ConfigHistory::kBytesMost * 2 / 3, 'x')));
  }
  EXPECT_EQ(history.versions().size(), 2u);
  EXPECT_EQ(history.newest()->generation, 3u);
}

TEST(ConfigHistory, a_checksum_is_that_of_sha256sum) {
  EXPECT_EQ(checksum_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace sluice::control
