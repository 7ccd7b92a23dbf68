#include "plan/scenario.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace sluice::load {
namespace {

struct Reading {
  Draft draft;
  Scenario scenario;
  std::string errors;
};

Reading read(std::string_view text) {
  Reading reading;
  reading.errors = read_scenario(text, "s.yaml", reading.draft, reading.scenario);
  return reading;
}

TEST(Scenario, options_in_all_their_forms) {
  const Reading reading = read(
      "target: http://127.0.0.1:1\n"
      "rate: 30000\n"
      "stream: true\n"
      "models: {a: 3, b: 1}\n"
      "headers: {x-a: 50ms}\n"
      "tenants: {acme: 2 k1 k2}\n"
      "expect:\n"
      "  latency.p99: at most 5ms\n"
      "  failed: 0\n");
  EXPECT_EQ(reading.errors, "");
  const auto settings = finish(reading.draft);
  ASSERT_TRUE(settings) << settings.error();
  EXPECT_TRUE(settings->schedule.has_value());
  EXPECT_TRUE(settings->streams);
  ASSERT_EQ(settings->models.size(), 2u);
  EXPECT_EQ(settings->models[0].weight, 3);
  EXPECT_EQ(settings->headers[0].second, "50ms");
  EXPECT_EQ(settings->tenants[0].keys.size(), 2u);
  EXPECT_EQ(settings->expectations.size(), 2u);
}

TEST(Scenario, every_fault_has_its_line) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {"rate: 5\nspede: 4\n", "s.yaml:2: unknown key `spede`"},
      {"\nconnections: none\n", "s.yaml:2: connections: none is not a number"},
      {"stream: maybe\n", "s.yaml:1: stream: maybe is neither"},
      {"expect: {colour: 1}\n", "s.yaml:1: expect: colour is no figure"},
      {"rate: [1, 2]\n", "s.yaml:1: rate: must be one value"},
      {"models: {a: [1]}\n", "s.yaml:1: models: has no value"},
      {"models: []\n", "s.yaml:1: models: has no value"},
      {"- a\n", "s.yaml:1: a scenario is a mapping"},
      {"a: [\n", "s.yaml:"},
      {"rate: &x 5\n", "s.yaml:1: YAML anchors"},
      {"", "s.yaml: the file is empty"},
  };
  for (const auto& [text, error] : kCases) {
    const Reading reading = read(text);
    EXPECT_TRUE(reading.errors.starts_with(error)) << text << " gives " << reading.errors;
  }
}

TEST(Scenario, all_faults_are_told_at_once) {
  const std::string errors = read("spede: 1\nwarm_up: x\n").errors;
  EXPECT_EQ(std::ranges::count(errors, '\n'), 2);
}

TEST(Scenario, what_shows_only_in_the_end_has_its_line_too) {
  Reading reading = read("target: http://127.0.0.1:1\n\nrate: fast\n");
  EXPECT_EQ(reading.errors, "");
  const auto settings = finish(reading.draft);
  ASSERT_FALSE(settings);
  EXPECT_TRUE(reading.scenario.locate(settings.error()).starts_with("s.yaml:3: rate: fast"));
  EXPECT_EQ(reading.scenario.locate("phase: x"), "phase: x");
}

TEST(Scenario, all_that_are_shipped_load) {
  const std::filesystem::path folder =
      std::filesystem::path(SLUICE_SOURCE_ROOT) / "bench/load/scenarios";
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path());
    const std::string text(std::istreambuf_iterator<char>(file), {});
    Draft draft;
    Scenario scenario;
    EXPECT_EQ(read_scenario(text, entry.path().filename(), draft, scenario), "");
    const auto settings = finish(std::move(draft));
    EXPECT_TRUE(settings) << entry.path() << settings.error();
    ++count;
  }
  EXPECT_GE(count, 6);
}

}  // namespace
}  // namespace sluice::load
