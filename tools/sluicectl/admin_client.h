// One request to the admin socket, over blocking calls.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace sluice::sluicectl {

struct Answer {
  uint16_t status = 0;
  std::string body;
};

// Where Sluice puts its socket when the configuration says what configs/minimal.yaml says.
[[nodiscard]] std::string default_socket();

// Connects, asks, reads to the end; at most a minute. `body` is JSON, or empty for none. The error
// is a sentence with the remedy.
[[nodiscard]] std::expected<Answer, std::string> ask(const std::string& socket_path,
                                                     std::string_view method, std::string_view path,
                                                     std::string_view body = {});

// Takes a whole HTTP answer, read until the connection's end, apart. Empty when it is not one.
[[nodiscard]] std::expected<Answer, std::string> read_answer(std::string_view bytes);

}  // namespace sluice::sluicectl
