// A small HTTP/1.1 server for the few who operate the gateway: metrics and admin calls.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <sluice/base/byte_budget.h>
#include <sluice/base/intrusive_list.h>
#include <sluice/base/log.h>
#include <sluice/http/request_parser.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/io/timer.h>
#include <sluice/net/listener.h>
#include <sluice/net/tls.h>
#include <sluice/shard/gate.h>

namespace sluice::control {

// Who is at the other end, by the kernel.
struct SmallPeer {
  std::optional<net::PeerCredentials> process;  // Only on a Unix socket, and always there.
  std::string address;  // "127.0.0.1"; on a Unix socket "unix", and "" once the peer has gone.
};

// A whole request. Owns its texts, because an answer may take its time.
struct SmallRequest {
  http::Method method = http::Method::kOther;
  std::string path;
  std::string content_type;  // As sent, like the others; "" when absent.
  std::string body;
  bool has_origin = false;    // A browser sent it on behalf of some page.
  std::string origin;         // Of that page.
  bool is_preflight = false;  // A browser asks what the page may send.
  std::string query;          // Without the '?'.
  std::string authorization;
  std::string idempotency_key;
  SmallPeer peer;
};

struct SmallAnswer {
  uint16_t status = 200;
  std::string_view content_type = "application/json";  // Static storage.
  std::string body;
  std::string_view allow = {};  // The allow header of a 405; static storage.
  std::string lines{};          // Whole field lines more, for browsers; at most kLinesMax bytes.
  static constexpr size_t kLinesMax = 32 * 1024;
};

// An error in the shape that OpenAI's clients read; `message` has cause and remedy, `param` names
// the field that is wrong ("" is null).
[[nodiscard]] SmallAnswer error_answer(uint16_t status, std::string_view code,
                                       std::string_view message, std::string_view param = {});

// What a server answers with; outlives it.
class SmallService {
 public:
  virtual ~SmallService() = default;
  // Suspends. `request` lives until the task completes.
  virtual Task<SmallAnswer> answer(const SmallRequest& request) = 0;
};

// Everything bounded: connections, head and body bytes, and the time for each step.
struct SmallServerLimits {
  uint32_t connections_max = 64;  // Above it a connection is closed as it comes.
  uint64_t body_bytes_max = 1u << 20;
  Duration head = seconds(10);
  Duration body = seconds(30);
  Duration send = seconds(30);
  Duration keep_alive = seconds(60);
};

// How requests come. The Unix socket's peers are known by their process.
struct SmallTransport {
  bool is_unix = false;
  net::TlsServer* tls = nullptr;  // Null is plain. Outlives the server.
  Duration hsts{0};               // How long browsers remember that it is; zero: they are not told.
};

// Control thread only: allocates. Await close() before it dies.
class SmallServer {
 public:
  // Takes over `listen_fd`. `name` is a word for the log, static storage.
  SmallServer(io::Ring& ring, int listen_fd, std::string_view name, SmallService& service,
              Logger& log, SmallServerLimits limits = {}, SmallTransport transport = {});
  ~SmallServer();
  SmallServer(const SmallServer&) = delete;
  SmallServer& operator=(const SmallServer&) = delete;

  // Accepts no more and cuts what is open; an answer in the making is awaited, not sent. Suspends.
  Task<void> close();
  // Another process goes on with the socket: accepts no more here, ends idle connections, and those
  // with a request behind their answer. close() comes later all the same.
  void leave();
  [[nodiscard]] bool is_closed() const noexcept { return gate_.inside() == 0; }
  [[nodiscard]] uint32_t connection_count() const noexcept { return connection_count_; }

 private:
  class Connection;
  static constexpr Duration kAcceptPause = milliseconds(100);
  // How long the kernel may take to end an accept, and how often it is looked at.
  static constexpr int kLeavingLooks = 1'000;
  static constexpr Duration kLeavingPause = milliseconds(1);

  Task<void> accept_connections();
  Task<void> let_go();
  void welcome(int fd);
  Task<void> serve_connection(int fd);

  io::Ring& ring_;
  std::string_view name_;
  SmallService& service_;
  Logger& log_;
  SmallServerLimits limits_;
  SmallTransport transport_;
  shard::Gate gate_;
  net::Listener listener_;
  io::Event closing_;
  IntrusiveList<Connection> connections_;
  uint32_t connection_count_ = 0;
  bool is_leaving_ = false;
};

}  // namespace sluice::control
