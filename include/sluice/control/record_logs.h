// The shards' records to the access log, their lines to the log.
#pragma once

#include <string>
#include <vector>

#include <sluice/control/log_work.h>
#include <sluice/metrics/cells.h>
#include <sluice/telemetry/drain.h>

namespace sluice::control {

// Control thread only. Everything given must outlive it.
class RecordLogs final : public LogWork {
 public:
  struct Source {
    telemetry::RecordRing* records = nullptr;
    telemetry::LogRing* lines = nullptr;
  };
  struct Targets {
    telemetry::LogSink& sink;
    telemetry::LineFile& log;  // What the sink writes to.
    telemetry::LineFile& access;
    telemetry::Redactor& redactor;
  };

  RecordLogs(std::vector<Source> sources, Targets targets, metrics::ControlCells& cells) noexcept
      : sources_(std::move(sources)), targets_(targets), cells_(cells) {}

  [[nodiscard]] bool has_records() const noexcept override;
  bool collect() override;
  void apply(const config::LogSettings& log, const config::AccessLogSettings& access) override;
  void reopen() override;

 private:
  // Of one ring in one call, so that a busy shard does not hold up the tick.
  static constexpr uint32_t kBatchesMost = 16;

  void note_losses();

  std::vector<Source> sources_;
  Targets targets_;
  metrics::ControlCells& cells_;
  std::string log_path_;
  std::string access_path_;
  bool is_access_on_ = true;
  bool is_applied_ = false;  // The first settings were opened by whoever made the targets.
};

}  // namespace sluice::control
