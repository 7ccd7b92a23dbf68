#include "passed_sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include <sluice/net/address.h>
#include <sluice/net/listener.h>

namespace sluice::app {
namespace {

constexpr int kFirst = 3;
constexpr int kMost = 1024;

std::optional<int64_t> number_of(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  const std::string_view digits = text;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// The part of the list before the next ':', which goes with it.
std::string take_name(std::string_view& names) {
  const size_t end = names.find(':');
  std::string name(names.substr(0, end));
  names.remove_prefix(end == std::string_view::npos ? names.size() : end + 1);
  return name;
}

std::optional<int> option_of(int fd, int option) {
  int value = 0;
  socklen_t length = sizeof value;
  if (::getsockopt(fd, SOL_SOCKET, option, &value, &length) != 0) return std::nullopt;
  return value;
}

// Empty when `fd` can be listened on.
std::string fault_of(int fd, bool is_unix) {
  const auto kind = option_of(fd, SO_TYPE);
  if (!kind) return std::strerror(errno);
  if (*kind != SOCK_STREAM) return "it is no stream socket; use ListenStream=";
  if (option_of(fd, SO_ACCEPTCONN) != 1)
    return "it does not listen; use ListenStream= and Accept=no";
  const int family = option_of(fd, SO_DOMAIN).value_or(AF_UNSPEC);
  if (is_unix && family != AF_UNIX) return "it must be a Unix socket; use ListenStream=/path";
  if (!is_unix && family != AF_INET && family != AF_INET6) {
    return "it must be a TCP socket; use ListenStream=address:port";
  }
  return {};
}

// Empty when it was taken.
std::string take(int fd, const std::string& name, PassedSockets& sockets) {
  const bool is_admin = name == "admin";
  const bool is_metrics = name == "metrics";
  const bool has_no_name = name.empty() || name == "unknown" || name.ends_with(".socket");
  if (!is_admin && !is_metrics && !has_no_name && name != "listen") {
    return "its name is none of `listen`, `metrics` and `admin`; set FileDescriptorName=";
  }
  if (std::string fault = fault_of(fd, is_admin); !fault.empty()) return fault;
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  if (!is_admin && !is_metrics) {
    sockets.listen.push_back(fd);
    return {};
  }
  int& place = is_admin ? sockets.admin : sockets.metrics;
  if (place >= 0) return "there are two of this name; pass one";
  place = fd;
  return {};
}

}  // namespace

std::expected<PassedSockets, std::string> take_passed_sockets() {
  PassedSockets sockets;
  const auto process = number_of("LISTEN_PID");
  const auto count = number_of("LISTEN_FDS");
  const char* list = std::getenv("LISTEN_FDNAMES");
  const std::string all_names = list == nullptr ? "" : list;
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  // For another process, such as the shell that started this one.
  if (!process || *process != ::getpid() || !count) return sockets;
  if (*count < 0 || *count > kMost) {
    return std::unexpected(fmt::format("LISTEN_FDS is {}, which is not 0 to {}", *count, kMost));
  }
  std::string_view names = all_names;
  for (int fd = kFirst; fd < kFirst + *count; ++fd) {
    const std::string name = take_name(names);
    const std::string fault = take(fd, name, sockets);
    if (!fault.empty()) {
      return std::unexpected(
          fmt::format("descriptor {} ({}), passed by LISTEN_FDS, cannot be used: {}", fd,
                      name.empty() ? "without a name" : name, fault));
    }
  }
  return sockets;
}

net::Address address_of_listener(io::Syscalls& syscalls, int fd) {
  net::Address bound;
  bound.length = sizeof bound.storage;
  auto* raw = reinterpret_cast<sockaddr*>(&bound.storage);
  if (!syscalls.local_address(fd, raw, &bound.length)) return {};
  return bound;
}

std::expected<ShardListeners, std::string> deal_to_shards(io::Syscalls& syscalls,
                                                          const std::vector<int>& passed,
                                                          const config::ListenAddress& where,
                                                          uint32_t shards) {
  if (passed.size() > shards) {
    return std::unexpected(fmt::format(
        "{} sockets were passed for `listen` and there are {} shards: nobody would answer on the "
        "rest; set shards to {}, or pass fewer (ListenStream= of the socket unit)",
        passed.size(), shards, passed.size()));
  }
  ShardListeners listeners;
  const auto wanted = net::parse_address(where.host, where.port);
  for (const int fd : passed) {
    const net::Address bound = address_of_listener(syscalls, fd);
    const auto expected =
        net::parse_address(where.host, where.port == 0 ? bound.port() : where.port);
    if (!wanted || !expected || expected->to_text() != bound.to_text()) {
      return std::unexpected(fmt::format(
          "a socket was passed that listens on {}, and `listen` says otherwise; write the same in "
          "both (ListenStream= of the socket unit)",
          bound.to_text()));
    }
    listeners.address = bound;
  }
  // As the process's own have them; accepted connections inherit these two.
  for (const int fd : passed) {
    const bool is_set = syscalls.set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) &&
                        syscalls.set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT,
                                            net::ListenOptions{}.unsent_bytes_max);
    if (!is_set) {
      return std::unexpected(
          fmt::format("cannot set up a passed socket: {}", std::strerror(errno)));
    }
  }
  for (uint32_t i = 0; i < shards; ++i) {
    const int source = passed[i % passed.size()];
    const int fd = i < passed.size() ? source : ::fcntl(source, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
      return std::unexpected(fmt::format("cannot copy a passed socket: {}", std::strerror(errno)));
    }
    listeners.fds.push_back(fd);
  }
  return listeners;
}

}  // namespace sluice::app
