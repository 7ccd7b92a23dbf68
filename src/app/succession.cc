// How this process takes a predecessor's place, and gives its own to a successor.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <sluice/store/file_lock.h>

#include "gateway.h"

namespace sluice::app {
namespace {

bool has(std::span<const std::string> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

int Gateway::fail(int status, std::string sentence) {
  telemetry::Redactor().redact(sentence);
  std::fputs(sentence.c_str(), stderr);
  if (predecessor_ != nullptr) {
    const std::string_view text = sentence;
    predecessor_->complain(text.substr(0, text.find_last_not_of('\n') + 1));
  }
  return status;
}

std::string Gateway::why_no_upgrade() const {
  // Everybody in its container or namespace ends with the first process.
  if (::getpid() == 1) {
    return "Sluice is process 1 here, and a new process would end with it; replace the container "
           "instead";
  }
  return starter_ ? std::string() : "upgrades need a second process: " + starter_.error();
}

// --- the successor -----------------------------------------------------------------------------

Gateway::Step Gateway::ask_predecessor() {
  if (predecessor_ == nullptr) return {};
  if (Step asked = predecessor_->ask(version_); !asked) return asked;
  store::inherit_locks(predecessor_->take_all(given::kLock));
  return {};
}

Gateway::Step Gateway::succeed() {
  if (predecessor_ == nullptr) return {};
  const int connections = predecessor_->take(given::kConnections, "");
  if (connections < 0) return std::unexpected("the running process passed no channel");
  if (Step ready = predecessor_->announce_ready(); !ready) return ready;
  log(LogLevel::kInfo, "upgrade: taking over from Sluice " + predecessor_->version());
  if (spend_journal_ != nullptr) {
    if (Step read = spend_journal_->take_over(); !read) log(LogLevel::kError, read.error());
  }
  listen_on_shards();
  store::drop_inherited_locks();
  control_->begin_limits();
  control_->follow_predecessor(connections, predecessor_->take_channel());
  // Closes what this configuration has no use for.
  predecessor_.reset();
  took_over_ = true;
  return {};
}

int Gateway::take_banks() {
  // Of whatever place: the table refuses one that the configuration does not mean.
  const std::vector<int> fds =
      predecessor_ == nullptr ? std::vector<int>() : predecessor_->take_all(given::kBanks);
  return fds.empty() ? -1 : fds.front();
}

Gateway::Step Gateway::open_shard_ports() {
  const config::Snapshot& config = *loaded_.snapshot;
  const int backlog = static_cast<int>(config.listen_backlog);
  auto listeners = take_shard_listeners(syscalls_, config, predecessor_.get());
  took_listeners_ = listeners && !listeners->fds.empty();
  if (listeners && !took_listeners_) {
    listeners = passed_.listen.empty()
                    ? open_shard_listeners(syscalls_, config.listen, backlog, shard_count_)
                    : deal_to_shards(syscalls_, passed_.listen, config.listen, shard_count_);
  }
  if (!listeners) return std::unexpected(std::move(listeners.error()));
  listeners_ = std::move(*listeners);
  return {};
}

// A shard has a socket of its own, or several when there were more shards before: none is closed,
// since what waits in it would be lost.
void Gateway::listen_on_shards() {
  const config::Snapshot& config = control_->snapshot();
  const int backlog = static_cast<int>(config.listen_backlog);
  const size_t taken = listeners_.fds.size();
  if (took_listeners_) {
    for (const int fd : listeners_.fds) (void)syscalls_.listen(fd, backlog);
  }
  while (listeners_.fds.size() < shard_count_) {
    const auto opened = net::open_listener(syscalls_, listeners_.address, {.backlog = backlog});
    // One of another user, passed by a supervisor, can only be shared.
    const int known = listeners_.fds[listeners_.fds.size() % taken];
    const int fd = opened ? *opened : ::fcntl(known, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) {
      log(LogLevel::kError, "a shard gets no connections: " + opened.error());
      break;
    }
    listeners_.fds.push_back(fd);
  }
  for (size_t i = 0; i < listeners_.fds.size(); ++i) {
    ports_[i % shard_count_].send(upstream::ListenToo{listeners_.fds[i]});
  }
}

// --- the predecessor ---------------------------------------------------------------------------

std::expected<HandOver, std::string> Gateway::open_estate() {
  const config::Snapshot& config = control_->snapshot();
  HandOver given{.version = std::string(version_), .generation = config.generation};
  const auto add = [&given](std::string_view name, std::string place, int fd) {
    if (fd >= 0) given.descriptors.push_back({std::string(name), std::move(place), fd});
  };
  for (const int fd : listeners_.fds) add(given::kListener, place_of(config.listen), fd);
  if (config.metrics) add(given::kMetrics, place_of(*config.metrics), metrics_fd_);
  const bool is_own = !admin_path_.empty();
  add(is_own ? given::kAdminSocket : given::kPassedAdminSocket, config.admin_socket, admin_fd_);
  if (const auto& listener = config.admin.listener) {
    add(given::kAdminListener, place_of({listener->host, listener->port}), admin_listen_fd_);
  }
  for (const store::HeldLock& lock : store::held_locks()) add(given::kLock, lock.path, lock.fd);
  add(given::kBanks, config.limits.bank_file, banks_->share_fd());
  return given;
}

void Gateway::close_books() {
  keys_->desk().hold(
      "an upgrade is running, and the key store does not change meanwhile; try again in a moment");
  if (spend_journal_ != nullptr) spend_journal_->freeze();
}

bool Gateway::is_at_rest() {
  return !keys_->desk().is_busy() && (spend_journal_ == nullptr || spend_journal_->is_frozen());
}

void Gateway::stop_writing() {
  if (spend_journal_ != nullptr) spend_journal_->hold(clock_.now());
}

std::expected<bool, std::string> Gateway::has_stopped() {
  if (spend_journal_ != nullptr && spend_journal_->is_overfull()) {
    return std::unexpected("too much is recorded while the disk does not take it; try again later");
  }
  return spend_journal_ == nullptr || spend_journal_->is_settled();
}

void Gateway::keep_estate() {
  keys_->desk().hold({});
  if (spend_journal_ != nullptr) spend_journal_->resume(clock_.now());
}

void Gateway::leave_estate(std::span<const std::string> taken, int connections,
                           control::SpendHeir& heir) {
  keys_->desk().hold("this process has been replaced; ask again, and the new one answers");
  keeps_admin_path_ = has(taken, given::kAdminSocket);
  const auto leave = [&taken](std::string_view name, control::SmallServer* server) {
    if (server != nullptr && has(taken, name)) server->leave();
  };
  leave(given::kMetrics, metrics_server_.get());
  leave(given::kAdminSocket, admin_server_.get());
  leave(given::kPassedAdminSocket, admin_server_.get());
  leave(given::kAdminListener, admin_listener_.get());
  control_->begin_hand_over(
      {.channel = connections, .keeps_listener = has(taken, given::kListener)}, heir);
}

}  // namespace sluice::app
