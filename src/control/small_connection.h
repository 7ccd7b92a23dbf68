// One connection of a SmallServer: reads requests, has them answered, writes the answers.
#pragma once

#include <optional>
#include <string>

#include <sluice/base/intrusive_list.h>
#include <sluice/control/small_server.h>
#include <sluice/http/chunked.h>
#include <sluice/io/timer.h>
#include <sluice/net/stream.h>

namespace sluice::control {

class SmallServer::Connection : public ListLink {
 public:
  Connection(io::Ring& ring, int fd, SmallService& service, const SmallServerLimits& limits,
             const SmallTransport& transport)
      : stream_(ring, fd, Side::kDownstream),
        timer_(ring.ready(), ring.timers()),
        service_(service),
        limits_(limits),
        transport_(transport),
        parser_(http::HeadLimits{}) {}

  // What it held may have been a token, or a new key.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Until either side closes. Suspends.
  Task<void> serve(SmallPeer peer);
  [[nodiscard]] std::optional<Ipv6Bytes> peer_ip() const noexcept { return stream_.peer_ip(); }
  void cut() noexcept { stream_.shut_down(); }
  // Ends it when it is idle, else behind the present answer; a new one has its first request.
  void leave() noexcept {
    is_leaving_ = true;
    if (is_idle_) cut();
  }

 private:
  static constexpr uint64_t kLingerBytes = 4u << 20;
  static constexpr Duration kLingerTime = seconds(2);

  enum class Step : uint8_t {
    kRead,     // What was asked for is there.
    kClosed,   // The connection is of no use any more.
    kRefused,  // `refusal_` is to be sent, then the connection closed.
  };

  // Until either side closes.
  Task<void> serve_requests(const SmallPeer& peer);
  // True at once without TLS.
  Task<bool> secure();
  // Reads on until a whole head stands at the start of `input_`.
  Task<Step> read_head();
  // Takes the head and the body behind it out of `input_`.
  Task<Step> read_request();
  Task<Step> read_body(http::BodyFraming framing);
  Task<Step> read_chunked_body();
  // More bytes into `input_`; kClosed at the end of the stream or when the time is up.
  Task<Step> receive();
  // Reads away what the client still sends, within bounds: closing on unread bytes would reset the
  // connection and take the answer with it.
  Task<void> linger();
  Task<bool> send(std::string_view bytes);
  Task<bool> send_answer(const SmallAnswer& answer, bool keep_alive, bool is_head);
  [[nodiscard]] Step refuse(uint16_t status, std::string_view code, std::string_view message);

  net::Stream stream_;
  io::Timer timer_;
  SmallService& service_;
  const SmallServerLimits& limits_;
  const SmallTransport& transport_;
  http::RequestParser parser_;
  std::string input_;  // Received and not used yet.
  SmallRequest request_;
  SmallAnswer refusal_;
  bool keep_alive_ = true;
  bool is_leaving_ = false;
  bool is_idle_ = false;  // Between two requests.
};

}  // namespace sluice::control
