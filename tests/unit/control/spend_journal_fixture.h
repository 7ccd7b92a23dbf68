#pragma once

// A journal of spend in a folder of its own, with the rings, disk and clock of a test.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <sluice/control/spend_journal.h>
#include <sluice/metrics/registry.h>

#include "../store/journal_folder.h"
#include "../store/lane_world.h"
#include "../store/sqlite_folder.h"
#include "log_lines.h"
#include "sim_clock.h"
#include "usage_file.h"

namespace sluice::control {

class SpendJournalTest : public ::testing::Test {
 protected:
  // A process begins; what the one before had not written is lost, as after kill -9.
  void start(uint64_t segment_bytes = 1u << 20) {
    journal_.reset();
    if (has_usage_) start_usage();
    ring_.emplace(16, lost_);
    auto opened = open(segment_bytes);
    ASSERT_TRUE(opened) << opened.error();
    journal_ = std::move(*opened);
  }
  std::expected<std::unique_ptr<SpendJournal>, std::string> open(uint64_t segment_bytes) {
    return SpendJournal::open(
        {.settings = {.directory = folder_.path(), .segment_bytes = segment_bytes},
         .rings = {&*ring_},
         .returns = world_.returns,
         .calls = disk_,
         .clock = clock_,
         .cells = registry_.control(),
         .log = log_,
         .usage = usage_.get()});
  }
  void start_usage() {
    usage_.reset();
    auto opened = UsageLog::open({.settings = {.path = usage_folder_.file()},
                                  .ring = world_.ring,
                                  .returns = world_.returns,
                                  .resolver = names_,
                                  .clock = clock_,
                                  .cells = registry_.control(),
                                  .log = log_});
    ASSERT_TRUE(opened) << opened.error();
    usage_ = std::move(*opened);
  }
  // What the usage log's file has, as costs in order of their ids.
  std::vector<uint64_t> costs() {
    auto reader = UsageReader::open(usage_folder_.file());
    EXPECT_TRUE(reader);
    const auto page = (*reader)->page({.most = 1'000}, clock_, Deadline::never());
    EXPECT_TRUE(page);
    std::map<std::string, uint64_t> by_id;
    for (const UsageRow& row : page->rows) {
      EXPECT_TRUE(by_id.emplace(row.id, row.micro_dollars.value_or(0)).second) << row.id;
    }
    std::vector<uint64_t> costs;
    for (const auto& [id, cost] : by_id) costs.push_back(cost);
    std::ranges::sort(costs);
    return costs;
  }
  // At the next tick, and what it gave to the usage log's lane.
  void write_usage() {
    journal_->collect(clock_.now());
    clock_.advance(UsageLog::kRetryGap);
    usage_->advance(clock_.now());
    while (usage_->is_busy()) {
      world_.returns.run();
      std::this_thread::yield();
    }
  }
  void push(usage::SpendKind kind, uint64_t number, std::optional<uint64_t> cost,
            usage::SpendSource source = usage::SpendSource::kReported) {
    usage::SpendRecord record;
    record.exchange = usage::SpendRecord::make_exchange(1, number);
    record.at = clock_.wall();
    record.kind = kind;
    record.source = source;
    record.key = "app";
    record.tenant = "acme";
    record.model = "small";
    record.cost_micro_dollars = cost;
    ASSERT_TRUE((into_ != nullptr ? *into_ : *ring_).push(record));
  }
  void opened(uint64_t number, uint64_t reserved) {
    push(usage::SpendKind::kOpened, number, reserved);
  }
  void settled(uint64_t number, uint64_t cost) { push(usage::SpendKind::kSettled, number, cost); }
  // One tick, and what it gave to the lanes.
  void tick() {
    clock_.advance(journal_->tick_max());
    journal_->collect(clock_.now());
    while (journal_->is_busy()) {
      world_.returns.run();
      std::this_thread::yield();
    }
  }
  SpendSums total() {
    return journal_->book().sums(SpendSubject::kKey, "app", config::LimitWindow::kTotal,
                                 clock_.wall());
  }

  class NoNames final : public net::Resolver {
   public:
    Task<std::expected<net::NameAnswer, std::string>> find_addresses(std::string,
                                                                     uint16_t) override {
      co_return std::unexpected("no names here");
    }
    Task<std::expected<std::vector<net::ServiceRecord>, std::string>> resolve_srv(
        std::string) override {
      co_return std::vector<net::ServiceRecord>{};
    }
    Task<void> end() override { co_return; }
  };

  store::JournalFolder folder_;
  store::SqliteFolder usage_folder_;
  NoNames names_;
  bool has_usage_ = false;
  store::TightDisk disk_;
  store::LaneWorld world_;
  support::SimClock clock_;
  metrics::Registry registry_{1};
  metrics::Counter lost_;
  Lines log_;
  std::optional<SpendRing> ring_;
  SpendRing* into_ = nullptr;  // Another process's.
  std::unique_ptr<UsageLog> usage_;
  std::unique_ptr<SpendJournal> journal_;
};

}  // namespace sluice::control
