#include "starter.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <span>
#include <utility>

#include <sluice/net/descriptor_message.h>

#include "hand_over.h"

namespace sluice::app {
namespace {

constexpr char kStart = 'S';
constexpr char kKill = 'K';
constexpr std::array kSignals = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE};

// As the operator named it, so that a symbolic link that leads to a newer version is followed.
std::string own_path() {
  const auto* const given = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
  std::array<char, PATH_MAX> room{};
  if (given == nullptr || std::strncmp(given, "/dev/fd/", 8) == 0) {
    const ssize_t length = ::readlink("/proc/self/exe", room.data(), room.size() - 1);
    return length > 0 ? std::string(room.data(), static_cast<size_t>(length)) : std::string();
  }
  if (given[0] == '/' || ::getcwd(room.data(), room.size()) == nullptr) return given;
  return std::string(room.data()) + "/" + given;
}

struct Pair {
  int first = -1;
  int second = -1;
  void close_all() {
    for (int* fd : {&first, &second}) {
      if (*fd >= 0) ::close(std::exchange(*fd, -1));
    }
  }
};

bool open_pair(Pair& pair) {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()) != 0) return false;
  pair = {fds[0], fds[1]};
  return true;
}

// In the child of the starter.
[[noreturn]] void become_successor(const std::string& path, char** argv, int channel) {
  for (const int signal : kSignals) std::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int kept = ::fcntl(channel, F_DUPFD, 3);  // Without close-on-exec.
  ::setenv(kUpgradeVariable, std::to_string(kept).c_str(), 1);
  // systemd names the process that is to say that it lives.
  if (::getenv("WATCHDOG_PID") != nullptr) {
    ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  }
  ::execv(path.c_str(), argv);
  const std::string problem = "cannot execute " + path + ": " + std::strerror(errno) +
                              "; put the new program there, with permission to execute it";
  (void)net::send_descriptors(channel, failed_text(problem), {});
  ::_exit(127);
}

// The whole life of the starter.
class StarterLoop {
 public:
  StarterLoop(int channel, std::string path, char** argv)
      : channel_(channel), path_(std::move(path)), argv_(argv) {}

  [[noreturn]] void run() {
    for (;;) {
      std::array<pollfd, 2> watched{{{.fd = channel_, .events = POLLIN, .revents = 0},
                                     {.fd = child_fd_, .events = POLLIN, .revents = 0}}};
      if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) ::_exit(1);
      if (watched[1].revents != 0) reap();
      if (watched[0].revents != 0) obey();
    }
  }

 private:
  void obey() {
    char order = 0;
    const ssize_t count = ::recv(channel_, &order, 1, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) ::_exit(0);  // The gateway has gone; what it has started lives on.
    if (order == kStart) start();
    if (order == kKill && child_ > 0) ::kill(child_, SIGKILL);
  }

  void start() {
    Pair channel, connections;
    if (child_ > 0 || !open_pair(channel) || !open_pair(connections)) {
      report({.status = child_ > 0 ? EBUSY : errno}, {});
      channel.close_all();
      return;
    }
    const pid_t child = ::fork();
    if (child == 0) become_successor(path_, argv_, channel.second);
    if (child < 0) {
      report({.status = errno}, {});
    } else {
      child_ = child;
      child_fd_ = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
      const std::array fds = {channel.first, connections.first, connections.second};
      report({.kind = StarterReport::Kind::kStarted, .pid = child}, fds);
    }
    channel.close_all();
    connections.close_all();
  }

  void reap() {
    int status = 0;
    if (::waitpid(child_, &status, WNOHANG) <= 0) return;
    report({.kind = StarterReport::Kind::kEnded, .pid = child_, .status = status}, {});
    ::close(std::exchange(child_fd_, -1));
    child_ = 0;
  }

  void report(const StarterReport& report, std::span<const int> fds) {
    const std::string_view text(reinterpret_cast<const char*>(&report), sizeof report);
    (void)net::send_descriptors(channel_, text, fds);
  }

  int channel_;
  std::string path_;
  char** argv_;
  pid_t child_ = 0;
  int child_fd_ = -1;
};

}  // namespace

std::expected<Starter, std::string> Starter::fork_off(char** argv) {
  Pair pair;
  if (!open_pair(pair)) {
    return std::unexpected(std::string("cannot make a socket: ") + std::strerror(errno));
  }
  std::string path = own_path();
  const pid_t child = ::fork();
  if (child < 0) {
    const int error = errno;
    pair.close_all();
    return std::unexpected(std::string("cannot fork: ") + std::strerror(error));
  }
  if (child == 0) {
    // What a supervisor has passed is the gateway's alone.
    ::close_range(3, static_cast<unsigned>(pair.second) - 1, 0);
    ::close_range(static_cast<unsigned>(pair.second) + 1, ~0U, 0);
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
    // Those of a terminal or a supervisor reach the whole group; the gateway decides.
    for (const int signal : kSignals) std::signal(signal, SIG_IGN);
    ::prctl(PR_SET_NAME, "sluice-starter");
    StarterLoop(pair.second, std::move(path), argv).run();
  }
  ::close(pair.second);
  return Starter(pair.first);
}

Starter::Starter(Starter&& other) noexcept : channel_(std::exchange(other.channel_, -1)) {}

Starter::~Starter() {
  if (channel_ >= 0) ::close(channel_);
}

bool Starter::order_start() const noexcept {
  return ::send(channel_, &kStart, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

bool Starter::order_kill() const noexcept {
  return ::send(channel_, &kKill, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

bool read_report(const std::string& text, StarterReport& report) noexcept {
  if (text.size() != sizeof report) return false;
  std::memcpy(&report, text.data(), sizeof report);
  return report.kind <= StarterReport::Kind::kEnded;
}

}  // namespace sluice::app
