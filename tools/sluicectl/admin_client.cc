#include "admin_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <sluice/http/response_parser.h>

namespace sluice::sluicectl {
namespace {

constexpr size_t kAnswerBytesMax = 64u << 20;

// Closes its descriptor, however the call ends.
class Socket {
 public:
  Socket() : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

std::string explain_connect(const std::string& path, int error) {
  const std::string start = "cannot connect to " + path + ": " + std::strerror(error);
  switch (error) {
    case ENOENT:
    case ECONNREFUSED:
      return start +
             "; is Sluice running, and is its admin.socket this path? Name another one with "
             "--socket";
    case EACCES: return start + "; use the account that Sluice runs under";
    default: return start;
  }
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool receive_all(int fd, std::string& bytes) {
  char piece[16 * 1024];
  while (bytes.size() < kAnswerBytesMax) {
    const ssize_t count = ::recv(fd, piece, sizeof piece, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return count == 0;
    bytes.append(piece, static_cast<size_t>(count));
  }
  return false;
}

}  // namespace

std::string default_socket() {
  const char* folder = std::getenv("XDG_RUNTIME_DIR");
  return std::string(folder != nullptr && *folder != 0 ? folder : "/tmp") + "/sluice-admin.sock";
}

std::expected<Answer, std::string> read_answer(std::string_view bytes) {
  http::ResponseParser parser(http::HeadLimits{});
  if (parser.parse(bytes) != http::ParseState::kDone) {
    return std::unexpected("the answer is not HTTP; is this the admin socket of Sluice?");
  }
  const http::ResponseHead& head = parser.head();
  Answer answer{.status = head.status, .body = std::string(bytes.substr(head.head_bytes))};
  if (head.body.kind != http::BodyKind::kLength || answer.body.size() != head.body.length) {
    return std::unexpected("the answer was cut; see Sluice's log for what ended it");
  }
  return answer;
}

std::expected<Answer, std::string> ask(const std::string& socket_path, std::string_view method,
                                       std::string_view path, std::string_view body) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) {
    return std::unexpected("the path " + socket_path + " is too long for a Unix socket");
  }
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  const Socket socket;
  const timeval minute{.tv_sec = 60, .tv_usec = 0};
  if (socket.fd() < 0 ||
      ::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof minute) != 0) {
    return std::unexpected(std::string("cannot make a socket: ") + std::strerror(errno));
  }
  if (::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return std::unexpected(explain_connect(socket_path, errno));
  }
  std::string request = std::string(method) + " " + std::string(path) +
                        " HTTP/1.1\r\nhost: sluice\r\nconnection: close\r\n";
  if (!body.empty()) {
    request +=
        "content-type: application/json\r\ncontent-length: " + std::to_string(body.size()) + "\r\n";
  }
  request.append("\r\n").append(body);
  std::string bytes;
  if (!send_all(socket.fd(), request) || !receive_all(socket.fd(), bytes)) {
    return std::unexpected("the connection to " + socket_path +
                           " was lost; see Sluice's log for what ended it");
  }
  return read_answer(bytes);
}

}  // namespace sluice::sluicectl
