#include "attack.h"

#include <fmt/format.h>

namespace sluice::edge {
namespace {

constexpr size_t kHeaderBlockBytes = 16 * 1024;
constexpr size_t kFieldBytes = 1024;
constexpr uint64_t kBodyBytes = 100'000;
constexpr int kSmallWindowBytes = 4096;

std::string post_head(const AttackOptions& options, uint64_t length) {
  return fmt::format(
      "POST {} HTTP/1.1\r\nhost: assault\r\ncontent-type: application/json\r\n{}"
      "content-length: {}\r\n\r\n",
      options.path, options.headers, length);
}

std::string whole_request(const AttackOptions& options) {
  constexpr std::string_view kBody =
      R"({"model":"large","stream":true,"messages":[{"role":"user","content":"Say much."}]})";
  return post_head(options, kBody.size()).append(kBody);
}

// Fields of an exact length each, so that the block may follow itself.
std::string header_block() {
  std::string block;
  while (block.size() < kHeaderBlockBytes) {
    block += "x-filler: ";
    block.append(kFieldBytes - 12, 'a');
    block += "\r\n";
  }
  return block;
}

Attack reader(std::string_view name, Reading reading, const AttackOptions& options) {
  return {.name = name,
          .opening = whole_request(options),
          .drip = {},
          .reading = reading,
          .step = seconds(1),
          .receive_bytes_max = kSmallWindowBytes};
}

}  // namespace

std::expected<Attack, std::string> make_attack(std::string_view name,
                                               const AttackOptions& options) {
  Attack attack;
  if (name == "silent") {
    attack = {.name = name, .opening = {}, .drip = {}};
  } else if (name == "slowloris") {
    attack = {.name = name,
              .opening = fmt::format("POST {} HTTP/1.1\r\nhost: assault\r\n", options.path),
              .drip = "x-a: b\r\n",
              .step = seconds(2)};
  } else if (name == "hello") {
    if (options.client_hello.empty()) {
      return std::unexpected("--hello: hello needs a file with a recorded ClientHello");
    }
    attack = {.name = name, .opening = options.client_hello, .drip = {}, .gives_way = true};
  } else if (name == "body") {
    attack = {.name = name,
              .opening = post_head(options, kBodyBytes) + "{",
              .drip = " ",
              .step = seconds(1)};
  } else if (name == "header") {
    attack = {.name = name,
              .opening = "GET /v1/models HTTP/1.1\r\nhost: assault\r\n",
              .drip = header_block(),
              .drips_bytes = false};
  } else if (name == "reader") {
    attack = reader(name, Reading::kNothing, options);
  } else if (name == "dripping-reader") {
    attack = reader(name, Reading::kByteAStep, options);
  } else if (name == "flood") {
    attack = {.name = name, .opening = {}, .drip = {}, .gives_way = true};
  } else {
    return std::unexpected(
        fmt::format("attack: {} is unknown; there are {}", name, fmt::join(kAttackNames, ", ")));
  }
  if (options.step > Duration::zero()) attack.step = options.step;
  return attack;
}

}  // namespace sluice::edge
