#include <sluice/config/upstream_path.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "endpoint_names.h"

namespace sluice::config {
namespace {

constexpr std::string_view kClientVersion = "/v1";

// What of the client's path follows a base path that brings its own version.
std::string_view without_version(std::string_view client_path) noexcept {
  if (!client_path.starts_with(kClientVersion)) return client_path;
  const std::string_view rest = client_path.substr(kClientVersion.size());
  return rest.empty() || rest.front() == '/' ? rest : client_path;
}

}  // namespace

bool serves(const Endpoint& endpoint, std::string_view client_path) noexcept {
  if (endpoint.full_path.empty()) return true;
  return endpoint_suffix(endpoint.full_path) == endpoint_suffix(client_path);
}

std::string_view upstream_path(const Endpoint& endpoint, std::string_view client_path,
                               std::string_view client_query, std::span<char> out) noexcept {
  const bool is_full = !endpoint.full_path.empty();
  std::string_view tail = is_full ? std::string_view() : client_path;
  if (endpoint.has_version) tail = without_version(client_path);
  const bool has_both = !endpoint.query.empty() && !client_query.empty();
  const bool has_any = !endpoint.query.empty() || !client_query.empty();
  const std::array<std::string_view, 6> pieces = {
      is_full ? std::string_view(endpoint.full_path) : std::string_view(endpoint.base_path),
      tail,
      has_any ? "?" : "",
      endpoint.query,
      has_both ? "&" : "",
      client_query};
  size_t length = 0;
  for (const std::string_view piece : pieces) {
    if (piece.empty()) continue;
    if (piece.size() > out.size() - length) return {};
    std::copy(piece.begin(), piece.end(), out.begin() + static_cast<std::ptrdiff_t>(length));
    length += piece.size();
  }
  return {out.data(), length};
}

size_t upstream_path_bytes_max(const Endpoint& endpoint, std::string_view client_path,
                               std::string_view client_query) noexcept {
  return std::max(endpoint.full_path.size(), endpoint.base_path.size() + client_path.size()) +
         endpoint.query.size() + client_query.size() + 2;
}

}  // namespace sluice::config
