// The part of the control thread that puts another configuration into force.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <sluice/config/difference.h>
#include <sluice/control/control_thread.h>
#include <sluice/json/writer.h>

#include "file_replace.h"

namespace sluice::control {
namespace {

// Says that the configuration's file holds another text.
class TextInPlace final : public config::Environment {
 public:
  TextInPlace(const config::Environment& base, const std::string& path, const std::string& text)
      : base_(base), path_(path), text_(text) {}
  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override {
    return base_.variable(name);
  }
  [[nodiscard]] std::expected<config::FileText, std::string> read(const std::string& path,
                                                                  size_t bytes_max) const override {
    if (path != path_) return base_.read(path, bytes_max);
    if (text_.size() > bytes_max) return std::unexpected("the text is too large");
    return config::FileText{.text = text_, .others_may_read = false};
  }

 private:
  const config::Environment& base_;
  const std::string& path_;
  const std::string& text_;
};

// Blocks on the disk; runs on the config lane.
struct LoadJob {
  const std::string* path;
  const config::Environment* environment;
  std::optional<std::string> text;  // In place of the file's.
  ConfigVersion present;            // A copy, of what it is compared with.
  WallTime now;
  size_t shards;
  net::SystemAuthorities* authorities;
  config::Members members;

  LoadedCandidate operator()() const {
    LoadedCandidate candidate;
    if (text) {
      const TextInPlace in_place(*environment, *path, *text);
      candidate.loaded = load_with_tls(*path, in_place, now, shards, *authorities, members);
    } else {
      candidate.loaded = load_with_tls(*path, *environment, now, shards, *authorities, members);
    }
    config::LoadOutcome& config = candidate.loaded.config;
    candidate.checksum = checksum_of(config.text);
    if (config.snapshot != nullptr && !present.text.empty() && present.text != config.text) {
      candidate.changes = config::differences({present.text, present.secrets},
                                              {config.text, config.secrets, &*config.tree});
    }
    config.tree.reset();
    return candidate;
  }
};

ReloadOutcome refuse(ReloadResult result, std::string problem) {
  ReloadOutcome outcome{.result = result};
  outcome.problems.push_back(std::move(problem));
  return outcome;
}

std::string restart_sentence(const std::string& path, const std::vector<std::string>& keys) {
  return fmt::format(
      "{}: {} cannot change while Sluice runs; restart it, or put the old value "
      "back to reload the rest",
      path, fmt::join(keys, ", "));
}

std::vector<std::string> sentences_of(const std::vector<config::Diagnostic>& diagnostics) {
  std::vector<std::string> sentences;
  for (const config::Diagnostic& diagnostic : diagnostics) {
    sentences.push_back(config::to_string(diagnostic));
  }
  return sentences;
}

constexpr std::string_view kLaneIsBehind = "reading files is behind; try again";

}  // namespace

void ControlThread::remember_first(std::string text, std::vector<config::TextPlace> secrets) {
  LoadedCandidate first;
  first.checksum = checksum_of(text);
  first.loaded.config.text = std::move(text);
  first.loaded.config.secrets = std::move(secrets);
  ReloadRequest request;
  request.asked_by = "the start";
  remember(request, first);
}

ConfigVersion ControlThread::copy_of_newest() const {
  const ConfigHistory::Version newest = history_.newest();
  return newest == nullptr ? ConfigVersion() : *newest;
}

void ControlThread::remember(const ReloadRequest& request, LoadedCandidate& candidate) {
  const ConfigHistory::Version newest = history_.newest();
  // Keys, scripts or members may be others; the text is not.
  if (newest != nullptr && newest->checksum == candidate.checksum) return;
  history_.add({.generation = snapshot().generation,
                .checksum = std::move(candidate.checksum),
                .at = parts_.ring.clock().wall(),
                .asked_by = request.asked_by,
                .changes = std::move(candidate.changes),
                .text = std::move(candidate.loaded.config.text),
                .secrets = std::move(candidate.loaded.config.secrets)});
}

Task<ReloadOutcome> ControlThread::reload(std::string_view asked_by) {
  ReloadRequest request;
  request.asked_by = asked_by;
  ReloadOutcome outcome = co_await reload(std::move(request));
  co_return outcome;
}

Task<ReloadOutcome> ControlThread::reload(ReloadRequest request) {
  const shard::Gate::Pass pass = gate_.enter();
  ReloadOutcome outcome{.result = ReloadResult::kBusy};
  if (is_reloading_) {
    outcome.problems = {"another reload is running; try again when it has ended"};
  } else {
    is_reloading_ = true;
    outcome = co_await load_and_publish(request);
    is_reloading_ = false;
  }
  outcome.generation = snapshot().generation;
  if (history_.newest() != nullptr) outcome.checksum = history_.newest()->checksum;
  if (outcome.result == ReloadResult::kApplied) ++reloads_;
  report(outcome, request);
  co_return outcome;
}

std::string ControlThread::why_busy() const {
  if (drain_.has_begun()) return "Sluice is draining; start it anew instead";
  if (is_upgrading_) return "an upgrade is running; reload when it has ended";
  if (publisher_.has_room()) return {};
  return fmt::format("open streams still use {} configurations; reload when some have ended",
                     publisher_.live_count());
}

Task<ReloadOutcome> ControlThread::load_and_publish(const ReloadRequest& request) {
  if (std::string why = why_busy(); !why.empty()) {
    co_return refuse(ReloadResult::kBusy, std::move(why));
  }
  std::optional<std::string> text;
  if (request.rollback_to) {
    const ConfigHistory::Version version = history_.find(*request.rollback_to);
    if (version == nullptr) {
      co_return refuse(ReloadResult::kUnknownVersion,
                       fmt::format("generation {} is not in the history; GET /v1/config/history "
                                   "lists what is",
                                   *request.rollback_to));
    }
    text = version->text;
  }
  std::optional<LoadedCandidate> candidate =
      co_await io::offload(parts_.config_lane, parts_.returns,
                           LoadJob{.path = &parts_.config_path,
                                   .environment = &parts_.environment,
                                   .text = std::move(text),
                                   .present = copy_of_newest(),
                                   .now = parts_.ring.clock().wall(),
                                   .shards = parts_.ports.size() + 1,
                                   .authorities = &authorities_,
                                   .members = discovery_.begin_load()});
  if (!candidate) co_return refuse(ReloadResult::kBusy, std::string(kLaneIsBehind));

  ReloadOutcome outcome;
  const bool is_used = co_await put_to_use(request, *candidate, outcome);
  if (!is_used) co_return outcome;
  outcome.changes = candidate->changes;
  remember(request, *candidate);
  co_return outcome;
}

Task<bool> ControlThread::put_to_use(const ReloadRequest& request, LoadedCandidate& candidate,
                                     ReloadOutcome& outcome) {
  config::LoadOutcome& config = candidate.loaded.config;
  const auto refused = [&](ReloadResult result, std::string problem) {
    outcome.result = result;
    outcome.problems.push_back(std::move(problem));
    return false;
  };
  outcome.warnings = sentences_of(config.warnings);
  const bool is_other =
      !request.expected_checksum.empty() && request.expected_checksum != candidate.checksum;
  if (is_other) {
    co_return refused(ReloadResult::kOtherText,
                      fmt::format("{} has the checksum {}, not the expected one; look at it again",
                                  parts_.config_path, candidate.checksum));
  }
  if (config.snapshot == nullptr) {
    outcome.result = ReloadResult::kBadFile;
    outcome.problems = sentences_of(config.errors);
    co_return false;
  }
  const std::vector<std::string> keys = config::needs_restart(snapshot(), *config.snapshot);
  if (!keys.empty()) {
    co_return refused(ReloadResult::kNeedsRestart, restart_sentence(parts_.config_path, keys));
  }
  const std::vector<AddressBook::Addresses> addresses =
      co_await addresses_.find(*config.snapshot, Deadline{parts_.ring.now() + kResolveTime});
  if (std::string why = why_busy(); !why.empty()) {
    co_return refused(ReloadResult::kBusy, std::move(why));
  }
  if (parts_.sockets != nullptr) {
    if (auto opened = parts_.sockets->open(snapshot(), *config.snapshot); !opened) {
      co_return refused(ReloadResult::kNotDone, std::move(opened.error()));
    }
  }
  std::string problem;
  if (request.rollback_to) problem = co_await write_file(config.text);
  if (problem.empty()) problem = why_busy();
  if (!problem.empty()) {
    if (parts_.sockets != nullptr) parts_.sockets->drop();
    co_return refused(ReloadResult::kNotDone, std::move(problem));
  }
  std::vector<upstream::AdoptSnapshot> adoptions;
  put_in_force(std::move(config.snapshot), std::move(candidate.loaded.tls), &adoptions, addresses);
  if (parts_.sockets != nullptr) {
    const std::vector<int> fds = parts_.sockets->use(snapshot());
    for (size_t i = 0; i < fds.size(); ++i) adoptions[i].listen_fd = fds[i];
  }
  for (size_t i = 0; i < adoptions.size(); ++i) parts_.ports[i].send(std::move(adoptions[i]));
  // A limit may have been raised.
  for (ShardPort& port : parts_.ports) port.send(upstream::LookForPlaces{});
  co_return true;
}

Task<std::string> ControlThread::write_file(std::string text) {
  auto written = co_await io::offload(
      parts_.config_lane, parts_.returns,
      [path = parts_.config_path, text = std::move(text)] { return replace_file(path, text); });
  if (!written) co_return std::string(kLaneIsBehind);
  co_return *written ? std::string() : std::move(written->error());
}

Task<CandidateOutcome> ControlThread::check(std::string text) {
  const shard::Gate::Pass pass = gate_.enter();
  CandidateOutcome outcome;
  std::optional<LoadedCandidate> candidate =
      co_await io::offload(parts_.config_lane, parts_.returns,
                           LoadJob{.path = &parts_.config_path,
                                   .environment = &parts_.environment,
                                   .text = std::move(text),
                                   .present = copy_of_newest(),
                                   .now = parts_.ring.clock().wall(),
                                   .shards = 1,
                                   .authorities = &authorities_,
                                   .members = discovery_.members()});
  if (!candidate) {
    outcome.result = ReloadResult::kBusy;
    outcome.problems.emplace_back(kLaneIsBehind);
    co_return outcome;
  }
  const config::LoadOutcome& config = candidate->loaded.config;
  outcome.warnings = sentences_of(config.warnings);
  outcome.problems = sentences_of(config.errors);
  outcome.changes = std::move(candidate->changes);
  if (config.snapshot == nullptr) {
    outcome.result = ReloadResult::kBadFile;
    co_return outcome;
  }
  const std::vector<std::string> keys = config::needs_restart(snapshot(), *config.snapshot);
  if (!keys.empty()) {
    outcome.result = ReloadResult::kNeedsRestart;
    outcome.problems.push_back(restart_sentence(parts_.config_path, keys));
  }
  co_return outcome;
}

Task<std::string> ControlThread::shown_text() {
  const shard::Gate::Pass pass = gate_.enter();
  std::optional<std::string> text =
      co_await io::offload(parts_.config_lane, parts_.returns, [version = copy_of_newest()] {
        return config::mask_secrets({version.text, version.secrets});
      });
  co_return std::move(text).value_or(std::string());
}

void ControlThread::set_log_level(LogLevel level, std::string_view asked_by) {
  log_level_ = level;
  config::LogSettings log = snapshot().log;
  log.level = level;
  parts_.log_work.apply(log, snapshot().access_log);
  parts_.log.write(LogLevel::kInfo, "config",
                   fmt::format("log level {} asked by {}", to_string(level), asked_by));
}

// --- watched files -----------------------------------------------------------------------------

void ControlThread::watch_files() {
  if (!is_looking_ && files_.is_due(parts_.ring.now())) {
    is_looking_ = true;
    io::start_detached(look_at_files());
  }
}

Task<void> ControlThread::look_at_files() {
  const shard::Gate::Pass pass = gate_.enter();
  std::vector<std::string> paths = files_.paths();
  std::optional<std::vector<FileMark>> marks =
      co_await io::offload(parts_.config_lane, parts_.returns, [paths] {
        std::vector<FileMark> found;
        for (const std::string& path : paths) found.push_back(mark_of(path));
        return found;
      });
  files_.take(paths, marks.value_or(std::vector<FileMark>()), parts_.ring.now(),
              parts_.ring.clock().wall());
  is_looking_ = false;
  const std::optional<std::string> changed = files_.changed();
  if (!changed || is_reloading_ || !why_busy().empty()) co_return;
  // What changes while it is read is seen by the next look.
  files_.settle();
  ReloadRequest request;
  request.asked_by = "the watched file " + *changed;
  co_await reload_unasked(std::move(request), *changed);
}

Task<void> ControlThread::reload_unasked(ReloadRequest request, std::string watched) {
  const std::string asked_by = request.asked_by;
  const ReloadOutcome outcome = co_await reload(std::move(request));
  // Nobody has looked at the file: a key that has gone from it must not stay.
  if (outcome.result == ReloadResult::kBusy) files_.put_off(watched);
  if (parts_.keys == nullptr || !parts_.keys->desk().has_store()) co_return;
  const bool is_applied = outcome.result == ReloadResult::kApplied;
  auth::AuditEntry entry{.at = parts_.ring.clock().wall(),
                         .actor = asked_by,
                         .origin = "process",
                         .action = "config.reload",
                         .outcome = is_applied ? "ok" : "refused"};
  json::Writer after(entry.after);
  after.begin_object().key("generation").unsigned_integer(outcome.generation);
  after.key("changes").begin_array();
  for (const std::string& change : outcome.changes) after.string(change);
  after.end_array().end_object();
  std::string problem;
  const auto ran = co_await parts_.keys->desk().run([&](auth::KeyStore& store) {
    const auto written = store.note(entry);
    if (!written) problem = written.error().text;
  });
  if (!ran) problem = ran.error();
  if (problem.empty()) co_return;
  parts_.log.write(LogLevel::kError, "audit",
                   fmt::format("the reload by {} is not in the audit log: {}", asked_by, problem));
}

void ControlThread::report(const ReloadOutcome& outcome, const ReloadRequest& request) {
  const bool is_applied = outcome.result == ReloadResult::kApplied;
  parts_.registry.control()
      .config_reloads[is_applied ? metrics::ReloadResult::kSuccess
                                 : metrics::ReloadResult::kFailure]
      .add();
  for (const std::string& warning : outcome.warnings) {
    parts_.log.write(LogLevel::kWarn, "config", warning);
  }
  for (const std::string& problem : outcome.problems) {
    parts_.log.write(LogLevel::kError, "config", problem);
  }
  for (const std::string& change : outcome.changes) {
    parts_.log.write(LogLevel::kInfo, "config", change);
  }
  parts_.log.write(
      is_applied ? LogLevel::kInfo : LogLevel::kError, "config",
      fmt::format("reload asked by {}: {}; generation {} is in force", request.asked_by,
                  is_applied ? "applied" : "refused, nothing has changed", outcome.generation));
}

}  // namespace sluice::control
