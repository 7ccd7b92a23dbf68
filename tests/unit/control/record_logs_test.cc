#include <sluice/control/record_logs.h>

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include <sluice/metrics/registry.h>

namespace sluice::control {
namespace {

namespace fs = std::filesystem;

// Writes files in a folder of its own; the targets are ended to see what they wrote.
class RecordLogsTest : public ::testing::Test {
 protected:
  RecordLogsTest() {
    std::string pattern = (fs::temp_directory_path() / "sluice-record-logs-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    null_fd_ = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    log_file_ = std::make_unique<telemetry::LineFile>(null_fd_);
    access_file_ = std::make_unique<telemetry::LineFile>(null_fd_);
    EXPECT_EQ(log_file_->open(path("log")), "");
    EXPECT_EQ(access_file_->open(path("access")), "");
    sink_ = std::make_unique<telemetry::LogSink>(clock_, *log_file_, redactor_, LogLevel::kInfo,
                                                 config::LogFormat::kJson);
    logs_ = std::make_unique<RecordLogs>(
        std::vector<RecordLogs::Source>{{&records_, &lines_}},
        RecordLogs::Targets{
            .sink = *sink_, .log = *log_file_, .access = *access_file_, .redactor = redactor_},
        registry_.control());
    logs_->apply(log_settings("log"), access_settings("access"));
  }
  ~RecordLogsTest() override {
    end();
    ::close(null_fd_);
    fs::remove_all(folder_);
  }

  std::string path(const std::string& name) const { return (fs::path(folder_) / name).string(); }
  config::LogSettings log_settings(const std::string& name) const { return {.file = path(name)}; }
  config::AccessLogSettings access_settings(const std::string& name) const {
    return {.file = path(name)};
  }
  void record(std::string_view request_id) {
    telemetry::AccessRecord record;
    record.request_id.assign(request_id);
    EXPECT_TRUE(records_.push(record));
  }
  // Ends the lanes, which writes what waits.
  void end() {
    logs_.reset();
    sink_.reset();
    log_file_.reset();
    access_file_.reset();
  }
  std::string text(const std::string& name) const {
    std::stringstream out;
    out << std::ifstream(path(name)).rdbuf();
    return out.str();
  }

  std::string folder_;
  int null_fd_ = -1;
  SystemClock clock_;
  metrics::Registry registry_{1};
  telemetry::RecordRing records_{4096, registry_.shard(ShardId{0}).access_log_dropped};
  telemetry::LogRing lines_{16, registry_.shard(ShardId{0}).log_dropped};
  telemetry::Redactor redactor_;
  std::unique_ptr<telemetry::LineFile> log_file_, access_file_;
  std::unique_ptr<telemetry::LogSink> sink_;
  std::unique_ptr<RecordLogs> logs_;
};

TEST_F(RecordLogsTest, records_of_a_shard_become_lines_of_the_access_log) {
  EXPECT_FALSE(logs_->has_records());
  EXPECT_FALSE(logs_->collect());
  record("req-1");
  record("req-2");
  EXPECT_TRUE(logs_->has_records());
  EXPECT_TRUE(logs_->collect());
  EXPECT_FALSE(logs_->has_records());
  end();
  EXPECT_LT(text("access").find("req-1"), text("access").find("req-2"));
  EXPECT_TRUE(text("access").contains("req-2"));
}

TEST_F(RecordLogsTest, more_than_one_batch_is_collected_in_one_call) {
  for (int i = 0; i < 3000; ++i) record("r");
  EXPECT_TRUE(logs_->collect());
  EXPECT_FALSE(logs_->has_records());
}

TEST_F(RecordLogsTest, access_log_that_is_off_still_empties_the_rings) {
  auto off = access_settings("access");
  off.enabled = false;
  logs_->apply(log_settings("log"), off);
  record("req-1");
  EXPECT_TRUE(logs_->collect());
  EXPECT_FALSE(logs_->has_records());
  end();
  EXPECT_EQ(text("access"), "");
}

TEST_F(RecordLogsTest, d078_level_changes_while_the_process_runs) {
  telemetry::ShardLogger shard_log(clock_, lines_, LogLevel::kDebug);
  shard_log.write(LogLevel::kDebug, "test", "hidden");
  logs_->collect();
  auto settings = log_settings("log");
  settings.level = LogLevel::kDebug;
  logs_->apply(settings, access_settings("access"));
  shard_log.write(LogLevel::kDebug, "test", "shown");
  logs_->collect();
  end();
  EXPECT_FALSE(text("log").contains("hidden"));
  EXPECT_TRUE(text("log").contains("shown"));
}

TEST_F(RecordLogsTest, changed_files_are_followed) {
  record("before");
  logs_->collect();
  logs_->apply(log_settings("log2"), access_settings("access2"));
  record("after");
  logs_->collect();
  sink_->write(LogLevel::kInfo, "test", "second log");
  end();
  EXPECT_TRUE(text("access").contains("before"));
  EXPECT_FALSE(text("access").contains("after"));
  EXPECT_TRUE(text("access2").contains("after"));
  EXPECT_TRUE(text("log2").contains("second log"));
}

TEST_F(RecordLogsTest, reopening_after_a_rename_starts_new_files) {
  record("old");
  logs_->collect();
  fs::rename(path("access"), path("access.1"));
  logs_->reopen();
  record("new");
  logs_->collect();
  end();
  EXPECT_TRUE(text("access.1").contains("old"));
  EXPECT_FALSE(text("access.1").contains("new"));
  EXPECT_TRUE(text("access").contains("new"));
}

}  // namespace
}  // namespace sluice::control
