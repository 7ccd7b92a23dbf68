#include "admin_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include <sluice/http/response_parser.h>

namespace sluice::sluicectl {
namespace {

constexpr size_t kAnswerBytesMax = 64u << 20;

// Closes its descriptor, however the call ends.
class Socket {
 public:
  explicit Socket(int family) : fd_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

struct Address {
  sockaddr_storage storage{};
  socklen_t bytes = 0;
  std::string name;  // For messages.
};

std::expected<Address, std::string> address_of(const Target& target) {
  Address address;
  address.name = target.socket_path;
  if (!target.host.empty()) {
    address.name = "http://" + target.host + ":" + std::to_string(target.port);
    auto* four = reinterpret_cast<sockaddr_in*>(&address.storage);
    auto* six = reinterpret_cast<sockaddr_in6*>(&address.storage);
    if (::inet_pton(AF_INET, target.host.c_str(), &four->sin_addr) == 1) {
      four->sin_family = AF_INET;
      four->sin_port = htons(target.port);
      address.bytes = sizeof *four;
    } else {
      six->sin6_family = AF_INET6;
      six->sin6_port = htons(target.port);
      six->sin6_addr = in6addr_loopback;
      address.bytes = sizeof *six;
    }
    return address;
  }
  auto* local = reinterpret_cast<sockaddr_un*>(&address.storage);
  if (target.socket_path.size() >= sizeof local->sun_path) {
    return std::unexpected("the path " + target.socket_path + " is too long for a Unix socket");
  }
  local->sun_family = AF_UNIX;
  std::memcpy(local->sun_path, target.socket_path.c_str(), target.socket_path.size() + 1);
  address.bytes = sizeof *local;
  return address;
}

std::string explain_connect(const Address& address, bool is_local, int error) {
  const std::string start = "cannot connect to " + address.name + ": " + std::strerror(error);
  switch (error) {
    case ENOENT:
    case ECONNREFUSED:
      return start + (is_local ? "; is Sluice running, and is its admin.socket this path? Name "
                                 "another one with --socket"
                               : "; is Sluice running, and is its admin.listen this address?");
    case EACCES: return start + "; use the account that Sluice runs under";
    default: return start;
  }
}

std::string text_of(const Target& target, const Request& request) {
  std::string text = request.method + " " + request.path + " HTTP/1.1\r\nhost: ";
  text += target.host.empty() ? "sluice" : target.host.contains(':') ? "[::1]" : target.host;
  text += "\r\nconnection: close\r\n";
  if (!target.token.empty()) text += "authorization: Bearer " + target.token + "\r\n";
  for (const auto& [name, value] : request.headers) text += name + ": " + value + "\r\n";
  if (!request.body.empty()) {
    text +=
        "content-type: application/json\r\ncontent-length: " + std::to_string(request.body.size()) +
        "\r\n";
  }
  return text + "\r\n" + request.body;
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

std::expected<void, std::string> read_url(std::string_view url, Target& target) {
  if (url.starts_with("https://")) {
    return std::unexpected(
        "https is not spoken here; use the Unix socket on Sluice's machine, or forward the port to "
        "a loopback address and name it as http://127.0.0.1:PORT");
  }
  const std::string malformed =
      "--url must be http://127.0.0.1:PORT or http://[::1]:PORT; over anything but loopback a key "
      "could be read by others";
  if (!url.starts_with("http://")) return std::unexpected(malformed);
  url.remove_prefix(7);
  if (url.ends_with('/')) url.remove_suffix(1);
  const size_t colon = url.rfind(':');
  if (colon == std::string_view::npos) return std::unexpected(malformed);
  const std::string_view digits = url.substr(colon + 1);
  std::string host(url.substr(0, colon));
  if (host == "localhost") host = "127.0.0.1";
  in_addr four{};
  const bool is_four =
      ::inet_pton(AF_INET, host.c_str(), &four) == 1 && (ntohl(four.s_addr) >> 24) == 127;
  if (!is_four && host != "[::1]") return std::unexpected(malformed);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), target.port);
  if (error != std::errc{} || end != digits.data() + digits.size() || target.port == 0) {
    return std::unexpected(malformed);
  }
  target.host = is_four ? host : "::1";
  return {};
}

std::expected<Answer, std::string> ask(const Target& target, const Request& request) {
  const auto address = address_of(target);
  if (!address) return std::unexpected(address.error());
  const Socket socket(address->storage.ss_family);
  const timeval patience{.tv_sec = target.patience_s, .tv_usec = 0};
  if (socket.fd() < 0 ||
      ::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
      ::setsockopt(socket.fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0) {
    return std::unexpected(std::string("cannot make a socket: ") + std::strerror(errno));
  }
  const auto* where = reinterpret_cast<const sockaddr*>(&address->storage);
  if (::connect(socket.fd(), where, address->bytes) != 0) {
    return std::unexpected(explain_connect(*address, target.host.empty(), errno));
  }
  // A body that is too large is refused before it was read, so an answer may be there all the same.
  const bool is_sent = send_all(socket.fd(), text_of(target, request));
  std::string bytes;
  const bool has_ended = receive_all(socket.fd(), bytes);
  if (bytes.empty() || (is_sent && !has_ended)) {
    return std::unexpected("the connection to " + address->name +
                           " was lost; see Sluice's log for what ended it");
  }
  return read_answer(bytes);
}

}  // namespace sluice::sluicectl
