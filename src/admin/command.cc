#include "command.h"

#include <array>

namespace sluice::admin {

std::span<const Command> commands() noexcept {
  static constexpr std::array<Command, 5> kCommands = {{
      {http::Method::kGet, "/v1/version", "GET", show_version},
      {http::Method::kGet, "/v1/shards", "GET", show_shards},
      {http::Method::kGet, "/v1/upstreams", "GET", show_upstreams},
      {http::Method::kPost, "/v1/reload", "POST", reload},
      {http::Method::kPost, "/v1/drain", "POST", drain},
  }};
  return kCommands;
}

}  // namespace sluice::admin
