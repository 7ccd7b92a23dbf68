#include "gateway.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include <sluice/control/run_to_end.h>

#include "check.h"
#include "crash_report.h"
#include "sandbox_calls.h"

namespace sluice::app {

void Gateway::log(LogLevel level, std::string_view message) {
  log_->write(level, "sluice", message);
}

Gateway::Step Gateway::confine() {
  const config::Snapshot& config = *loaded_.snapshot;
  if (!config.sandbox) {
    sandbox_ = "off";
    return {};
  }
  // SQLite sorts what does not fit in memory into a file there.
  const std::string database = config.usage_log ? config.usage_log->path
                               : config.store   ? config.store->path
                                                : std::string();
  if (!database.empty()) {
    ::setenv("SQLITE_TMPDIR", std::filesystem::path(database).parent_path().c_str(), 0);
  }
  auto confined =
      confine_files(file_rules(config, config_path_, environment_.paths(), ::geteuid() == 0));
  if (confined) {
    environment_.confine();
    sandbox_ = std::move(*confined);
  } else {
    warnings_.push_back("files are not confined: " + confined.error());
  }
  return {};
}

// Last, since starting needs calls that serving does not.
void Gateway::give_up_calls() {
  if (!control_->snapshot().sandbox) return;
  auto confined = confine_calls();
  if (confined) {
    sandbox_ += (sandbox_.empty() ? "" : ", ") + *confined;
  } else {
    warnings_.push_back("system calls are not confined: " + confined.error());
  }
}

void Gateway::announce() {
  const config::Snapshot& config = control_->snapshot();
  const std::string listening = fmt::format("listening on {}://{}", config.tls ? "https" : "http",
                                            listeners_.address.to_text());
  // For people and for tests that let the kernel choose the port.
  std::fputs((listening + "\n").c_str(), stdout);
  std::fflush(stdout);
  log(LogLevel::kInfo, fmt::format("Sluice {} with {}", version_, config_path_));
  log(LogLevel::kInfo, listening);
  log(LogLevel::kInfo, fmt::format("{} shards on {} usable cores, at most {} connections",
                                   shard_count_, shard::allowed_cpus().size(), connections_max_));
  for (const config::Upstream& upstream : config.upstreams) {
    log(LogLevel::kInfo,
        fmt::format("upstream {} at {}", upstream.name, upstream.endpoint.authority));
  }
  log(LogLevel::kInfo, describe_counts(config));
  log(LogLevel::kInfo, "sandbox: " + (sandbox_.empty() ? "not available" : sandbox_));
  const std::string& admin_path = admin_path_.empty() ? config.admin_socket : admin_path_;
  log(LogLevel::kInfo, admin_fd_ < 0 ? std::string("no admin socket (admin.socket is not set)")
                                     : "admin socket " + admin_path);
  if (admin_listen_fd_ >= 0) {
    log(LogLevel::kInfo,
        fmt::format("admin calls with keys on {}://{}", admin_tls_ == nullptr ? "http" : "https",
                    admin_listen_address_.to_text()));
  }
  log(LogLevel::kInfo, metrics_fd_ < 0
                           ? "no metrics (metrics.listen is not set)"
                           : "metrics on http://" + metrics_address_.to_text() + "/metrics");
  for (const std::string& warning : warnings_) log(LogLevel::kWarn, warning);
  warnings_.clear();
}

int Gateway::serve() {
  const int status = control_->serve();
  // A second signal, or shards that do not end: there is nothing that could be taken down in order.
  if (status != control::ControlThread::kExitDrained) {
    if (status == control::ControlThread::kExitStuck) {
      (void)finish_journal();
      flush_logs();
    }
    std::_Exit(status);
  }
  return end(status);
}

int Gateway::end(int status) {
  shards_.clear();  // Their loops have ended; this joins the threads.
  if (!admin_path_.empty() && !keeps_admin_path_) ::unlink(admin_path_.c_str());
  const bool is_journal_done = finish_journal();
  log(LogLevel::kInfo, "drained");
  if (control_->has_hanging_lane() || !is_journal_done) {
    // A name server or a disk that does not answer must not keep the process.
    flush_logs();
    std::_Exit(status);
  }
  control::run_to_end(*ring_, end_reports());
  close_small_servers();
  flush_logs();
  return status;
}

bool Gateway::finish_journal() {
  if (spend_journal_ == nullptr) return true;
  bool hangs = !spend_journal_->finish() && spend_journal_->is_hanging();
  if (usage_log_ != nullptr) {
    (void)usage_log_->finish();  // What it has not written is in the journal.
    hangs = hangs || usage_log_->is_hanging();
  }
  return !hangs;
}

// After the shards, so that what they recorded last is not lost.
void Gateway::flush_logs() {
  while (record_logs_->collect()) {
  }
  // Their destructors write what waits; nothing may log any more.
  metrics_server_.release();
  admin_server_.release();
  admin_listener_.release();
  report_crashes_to(nullptr);
  log_file_.reset();
  access_file_.reset();
}

}  // namespace sluice::app
