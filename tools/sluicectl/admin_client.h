// One request to the admin socket or the second listener, over blocking calls.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::sluicectl {

// Where Sluice listens.
struct Target {
  std::string socket_path;
  std::string host{};  // An address of loopback instead of the socket; "" for none.
  uint16_t port = 0;
  std::string token{};      // Shown there; never printed.
  int64_t patience_s = 60;  // For the next bytes of an answer.
};

struct Request {
  std::string method;
  std::string path;    // With its query, encoded.
  std::string body{};  // JSON, or empty for none.
  std::vector<std::pair<std::string, std::string>> headers{};
};

struct Answer {
  uint16_t status = 0;
  std::string body;

  [[nodiscard]] bool is_done() const noexcept { return status < 300; }
};

// Where Sluice puts its socket when the configuration says what configs/minimal.yaml says.
[[nodiscard]] std::string default_socket();

// "http://127.0.0.1:9091" into `target`. The error is a sentence.
[[nodiscard]] std::expected<void, std::string> read_url(std::string_view url, Target& target);

// Connects, asks, reads to the end. The error is a sentence with the remedy.
[[nodiscard]] std::expected<Answer, std::string> ask(const Target& target, const Request& request);

// Takes a whole HTTP answer, read until the connection's end, apart. Empty when it is not one.
[[nodiscard]] std::expected<Answer, std::string> read_answer(std::string_view bytes);

}  // namespace sluice::sluicectl
