#include "link_log.h"

#include <fmt/format.h>

namespace sluice::store {
namespace {

constexpr std::string_view kComponent = "redis";

}  // namespace

void LinkLog::note_up(MonoTime now, const std::string& name, const std::string& who,
                      const ServerIdentity& identity) {
  const std::string process = identity.is_known()
                                  ? fmt::format("run id {}", identity.run_id.substr(0, 8))
                                  : std::string("run id not told");
  if (state_ == State::kDown) {
    const auto pause = std::chrono::duration_cast<milliseconds>(now - down_since_);
    log_.write(
        LogLevel::kInfo, kComponent,
        fmt::format("back after {} ms: connected to {} {}, {}", pause.count(), name, who, process));
  } else {
    log_.write(LogLevel::kInfo, kComponent,
               fmt::format("connected to {} {}, {}", name, who, process));
  }
  state_ = State::kUp;
  told_fault_.clear();
}

void LinkLog::note_lost(MonoTime now, const std::string& name, const WireFault& fault) {
  log_.write(LogLevel::kWarn, kComponent, fmt::format("lost {}: {}", name, fault.text));
  go_down(now);
}

void LinkLog::note_failure(MonoTime now, const std::string& name, const WireFault& fault) {
  const bool is_first = state_ == State::kNew;
  const bool is_news = fault.is_of_configuration && fault.text != told_fault_;
  if (!is_first && !is_news) return;
  log_.write(fault.is_of_configuration ? LogLevel::kError : LogLevel::kWarn, kComponent,
             fmt::format("cannot use {}: {}; it is tried again", name, fault.text));
  if (is_first) go_down(now);
  if (fault.is_of_configuration) told_fault_ = fault.text;
}

void LinkLog::go_down(MonoTime now) noexcept {
  state_ = State::kDown;
  down_since_ = now;
}

}  // namespace sluice::store
