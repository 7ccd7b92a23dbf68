// The endpoints of the OpenAI API that an upstream may serve, as ends of paths.
#pragma once

#include <array>
#include <string_view>

namespace sluice::config {

// "/chat/completions" stands before "/completions", which it ends in.
inline constexpr std::array<std::string_view, 4> kEndpointSuffixes = {
    "/chat/completions", "/completions", "/embeddings", "/responses"};

// The endpoint that `path` ends in; empty when it ends in none.
[[nodiscard]] constexpr std::string_view endpoint_suffix(std::string_view path) noexcept {
  for (const std::string_view suffix : kEndpointSuffixes) {
    if (path.ends_with(suffix)) return suffix;
  }
  return {};
}

}  // namespace sluice::config
