// How a reload moves the sockets that the gateway listens on.
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

#include <sluice/control/run_to_end.h>

#include "gateway.h"

namespace sluice::app {
namespace {

bool moves_admin(const config::Snapshot& running, const config::Snapshot& candidate) {
  return running.admin_socket != candidate.admin_socket ||
         running.admin.mode != candidate.admin.mode || running.admin.group != candidate.admin.group;
}

// How long a server that was replaced may still answer.
constexpr Duration kAnswerTime = seconds(1);

// Renamed over the old one, so that the path leads somewhere at every instant.
std::string path_before_use(const std::string& path) { return path + ".new"; }

}  // namespace

std::expected<void, std::string> Gateway::open(const config::Snapshot& running,
                                               const config::Snapshot& candidate) {
  notice_.say_reloading(ring_->now());
  moved_ = {};
  const auto failed = [this](std::string problem) {
    drop();
    return std::unexpected(environment_.is_confined() ? with_sandbox_remedy(std::move(problem))
                                                      : std::move(problem));
  };
  if (running.listen != candidate.listen) {
    // On the port that it has, the gateway itself would be in the way of a probe.
    const bool probes = candidate.listen.port != listeners_.address.port();
    auto opened =
        open_shard_listeners(syscalls_, candidate.listen,
                             static_cast<int>(candidate.listen_backlog), shard_count_, probes);
    if (!opened) return failed(std::move(opened.error()));
    moved_.listeners = std::move(*opened);
  }
  if (candidate.metrics && running.metrics != candidate.metrics) {
    const auto fd = open_single_listener(syscalls_, *candidate.metrics, &moved_.metrics_address);
    if (!fd) return failed(fd.error());
    moved_.metrics_fd = *fd;
  }
  moved_.has_metrics = running.metrics != candidate.metrics;
  moved_.has_admin = moves_admin(running, candidate);
  moved_.has_backlog = running.listen_backlog != candidate.listen_backlog;
  if (moved_.has_admin && !candidate.admin_socket.empty()) {
    moved_.admin_path = candidate.admin_socket;
    const auto fd =
        net::open_unix_listener(path_before_use(moved_.admin_path),
                                {.mode = candidate.admin.mode, .group = candidate.admin.group});
    if (!fd) return failed(fd.error());
    moved_.admin_fd = *fd;
  }
  return {};
}

std::vector<int> Gateway::use(const config::Snapshot& candidate) {
  if (moved_.has_metrics) {
    close_later(std::move(metrics_server_));
    metrics_fd_ = moved_.metrics_fd;
    metrics_address_ = moved_.metrics_address;
    open_metrics_server();
    log(LogLevel::kInfo, metrics_fd_ < 0
                             ? "no metrics any more"
                             : "metrics on http://" + metrics_address_.to_text() + "/metrics");
  }
  if (moved_.has_admin) {
    const std::string& path = moved_.admin_path;
    if (!path.empty() && ::rename(path_before_use(path).c_str(), path.c_str()) != 0) {
      log(LogLevel::kError, "the admin socket stays at " + path_before_use(path) +
                                ", since it cannot be renamed; restart Sluice to move it");
    }
    if (admin_path_ != moved_.admin_path && !admin_path_.empty()) ::unlink(admin_path_.c_str());
    close_later(std::move(admin_server_));
    admin_fd_ = moved_.admin_fd;
    admin_path_ = std::move(moved_.admin_path);
    open_admin_server();
    log(LogLevel::kInfo,
        admin_fd_ < 0 ? "no admin socket any more" : "admin socket " + admin_path_);
  }
  std::vector<int> fds = moved_.listeners.fds;
  if (!fds.empty()) {
    listeners_ = std::move(moved_.listeners);
    log(LogLevel::kInfo, "listening on " + listeners_.address.to_text());
  } else if (moved_.has_backlog) {
    for (const int fd : listeners_.fds) {
      (void)syscalls_.listen(fd, static_cast<int>(candidate.listen_backlog));
    }
  }
  moved_ = {};
  say_ready();
  return fds;
}

void Gateway::drop() noexcept {
  for (const int fd : moved_.listeners.fds) syscalls_.close(fd);
  if (moved_.metrics_fd >= 0) syscalls_.close(moved_.metrics_fd);
  if (moved_.admin_fd >= 0) {
    ::unlink(path_before_use(moved_.admin_path).c_str());
    syscalls_.close(moved_.admin_fd);
  }
  moved_ = {};
  say_ready();
}

Task<void> Gateway::close_server(std::unique_ptr<control::SmallServer> server) {
  ++closing_servers_;
  // Whoever asked for the move through it has the answer first; closing cuts connections.
  if (!control_->is_draining()) {
    io::Timer pause(ring_->ready(), ring_->timers());
    pause.set(Deadline::after(ring_->now(), kAnswerTime));
    co_await io::first_of(&pause);
  }
  co_await server->close();
  server.reset();
  --closing_servers_;
}

void Gateway::close_later(std::unique_ptr<control::SmallServer> server) {
  if (server != nullptr) io::start_detached(close_server(std::move(server)));
}

void Gateway::close_small_servers() {
  close_later(std::move(metrics_server_));
  close_later(std::move(admin_server_));
  close_later(std::move(admin_listener_));
  control::run_to_end(*ring_, wait_for_servers());
}

Task<void> Gateway::wait_for_servers() {
  io::Timer pause(ring_->ready(), ring_->timers());
  while (closing_servers_ > 0) {
    pause.set(Deadline::after(ring_->now(), milliseconds(2)));
    co_await io::first_of(&pause);
  }
}

}  // namespace sluice::app
