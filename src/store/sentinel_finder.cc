#include "sentinel_finder.h"

#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "command_text.h"

namespace sluice::store {
namespace {

std::optional<RedisEndpoint> read_address(const RedisReply& reply) {
  if (reply.items.size() != 2) return std::nullopt;
  const std::string& host = reply.items[0].text;
  const std::string& port_text = reply.items[1].text;
  uint16_t port = 0;
  const char* end = port_text.data() + port_text.size();
  const auto read = std::from_chars(port_text.data(), end, port);
  if (read.ec != std::errc() || read.ptr != end || port == 0) return std::nullopt;
  if (host.empty() || host.starts_with('/')) return std::nullopt;
  return RedisEndpoint{.host = host, .port = port};
}

}  // namespace

Task<WireResult<RedisEndpoint>> SentinelFinder::find(io::Event& gone) {
  const RedisOptions& options = parts_.options;
  WireFault last;
  for (size_t i = 0; i < options.endpoints.size() && !gone.is_ready(); ++i) {
    const size_t at = (first_ + i) % options.endpoints.size();
    const RedisEndpoint& sentinel = options.endpoints[at];
    std::string command;
    append_command(command, {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", options.master});
    const WireResult<RedisReply> reply =
        co_await ask_once(parts_, sentinel, true, std::move(command), gone);
    if (!reply) {
      last = {.text = fmt::format("Sentinel {}: {}", to_text(sentinel), reply.error().text),
              .is_of_configuration = reply.error().is_of_configuration};
      continue;
    }
    if (auto address = read_address(*reply)) {
      first_ = at;
      co_return *std::move(address);
    }
    last = {.text = fmt::format("Sentinel {} knows no master `{}`; check redis.master",
                                to_text(sentinel), options.master),
            .is_of_configuration = true};
  }
  co_return std::unexpected(std::move(last));
}

Task<WireResult<RedisEndpoint>> ServerFinder::find(io::Event&) {
  const std::vector<RedisEndpoint>& endpoints = parts_.options.endpoints;
  co_return endpoints[next_++ % endpoints.size()];
}

}  // namespace sluice::store
