#include <sluice/net/listener.h>

#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sluice::net {
namespace {

std::string explain_listen_failure(const std::string& where, int error) {
  switch (error) {
    case EADDRINUSE:
      return "cannot listen on " + where +
             ": another process holds this address; stop it (ss -ltnp shows which), or choose "
             "another port under `listen`";
    case EACCES:
    case EPERM:
      return "cannot listen on " + where +
             ": permission denied; use a port above 1023 or grant CAP_NET_BIND_SERVICE";
    case EADDRNOTAVAIL:
      return "cannot listen on " + where +
             ": no interface has this address; `ip address` lists those that exist";
    default: return "cannot listen on " + where + ": " + std::strerror(error);
  }
}

// Empty for a group that does not exist.
std::optional<gid_t> find_group(const std::string& group) {
  const bool is_number = std::ranges::all_of(group, [](char c) { return c >= '0' && c <= '9'; });
  if (is_number && group.size() < 10) return static_cast<gid_t>(std::stoul(group));
  const struct group* found = ::getgrnam(group.c_str());
  if (found == nullptr) return std::nullopt;
  return found->gr_gid;
}

}  // namespace

// The group before the mode, so that nobody of the process's own group may connect in between. The
// error is a sentence.
std::expected<void, std::string> give_access(const std::string& path, const UnixAccess& access) {
  if (!access.group.empty()) {
    const std::optional<gid_t> group = find_group(access.group);
    if (!group) {
      return std::unexpected("admin.group: there is no group `" + access.group +
                             "`; make it, or name another one");
    }
    if (::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
      return std::unexpected("admin.group: cannot give " + path + " to the group `" + access.group +
                             "`: " + std::strerror(errno) +
                             "; let the user of Sluice be a member of it");
    }
  }
  if (access.mode == 0600) return {};
  if (::chmod(path.c_str(), static_cast<mode_t>(access.mode)) == 0) return {};
  return std::unexpected("cannot set the mode of " + path + ": " + std::strerror(errno) +
                         "; put the socket on a file system that has modes");
}

std::expected<int, std::string> open_listener(io::Syscalls& syscalls, const Address& address,
                                              const ListenOptions& options) {
  const auto failed = [&](int fd) {
    const int error = errno;
    if (fd >= 0) syscalls.close(fd);
    return std::unexpected(explain_listen_failure(address.to_text(), error));
  };
  const Result<int> fd = syscalls.open_socket(address.family());
  if (!fd) return failed(-1);
  // TCP_NODELAY and TCP_NOTSENT_LOWAT are inherited by accepted sockets: no call per connection.
  const bool is_set =
      syscalls.set_option(*fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
      (!options.share_port || syscalls.set_option(*fd, SOL_SOCKET, SO_REUSEPORT, 1)) &&
      (address.family() != AF_INET6 || syscalls.set_option(*fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) &&
      syscalls.set_option(*fd, IPPROTO_TCP, TCP_NODELAY, 1) &&
      syscalls.set_option(*fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, options.unsent_bytes_max) &&
      syscalls.bind(*fd, address.raw(), address.length) && syscalls.listen(*fd, options.backlog);
  if (!is_set) return failed(*fd);
  return *fd;
}

std::expected<int, std::string> open_unix_listener(const std::string& path,
                                                   const UnixAccess& access) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return std::unexpected("admin socket path " + path + " is too long; Unix sockets allow " +
                           std::to_string(sizeof address.sun_path - 1) + " bytes");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::unexpected(explain_listen_failure(path, errno));
  const auto* raw = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(fd, raw, sizeof address) == 0) {
    ::close(fd);
    return std::unexpected("admin socket " + path +
                           " is in use by a running process; stop it or set admin.socket to "
                           "another path");
  }
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode)) {
      ::close(fd);
      return std::unexpected("admin socket path " + path +
                             " exists and is not a socket; remove it or choose another path");
    }
    ::unlink(path.c_str());  // A dead process left it: nobody answered.
  }
  // Ports and capabilities have nothing to do with a path.
  const auto failed = [&path](int error) {
    if (error != EACCES && error != EPERM && error != ENOENT && error != EROFS) {
      return explain_listen_failure(path, error);
    }
    return "cannot make the admin socket " + path + ": " + std::strerror(error) +
           "; let Sluice's user write its folder, or set admin.socket to another path";
  };
  const mode_t mask = ::umask(0177);
  const int bound = ::bind(fd, raw, sizeof address);
  const int error = errno;
  ::umask(mask);
  if (bound != 0 || ::listen(fd, 64) != 0) {
    ::close(fd);
    return std::unexpected(failed(bound != 0 ? error : errno));
  }
  if (auto given = give_access(path, access); !given) {
    ::close(fd);
    ::unlink(path.c_str());
    return std::unexpected(std::move(given.error()));
  }
  return fd;
}

std::optional<PeerCredentials> peer_credentials(int fd) noexcept {
  ucred found{};
  socklen_t length = sizeof found;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &found, &length) != 0) return std::nullopt;
  if (found.pid == 0) return std::nullopt;  // The kernel's answer for what is no Unix socket.
  return PeerCredentials{.uid = found.uid, .gid = found.gid, .pid = found.pid};
}

Listener::Listener(io::Ring& ring, int fd) : ring_(ring), fd_(fd), accept_(ring) {
  accept_.listen_on(fd);
}

Listener::~Listener() { close(); }

void Listener::let_go() noexcept {
  if (fd_ < 0) return;
  ring_.close(fd_);
  fd_ = -1;
}

void Listener::close() noexcept {
  if (fd_ < 0) return;
  accept_.stop();
  // Shut down first: an armed accept would keep the port alive past the close.
  ring_.shut_down(fd_);
  ring_.close(fd_);
  fd_ = -1;
}

}  // namespace sluice::net
