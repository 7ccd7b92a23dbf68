#include "plan/settings.h"

#include <array>

#include <sluice/http/serializer.h>

namespace sluice::load {

std::string render_head(const Settings& settings, const Url& url, std::string_view key,
                        size_t body_bytes) {
  std::array<char, 16 * 1024> bytes;
  http::HeadWriter writer(bytes);
  writer.request_line(body_bytes == 0 ? "GET" : "POST", url.path + settings.path);
  writer.header("host", url.authority).header("user-agent", "sluice-load");
  if (!key.empty()) writer.any_header("authorization", "Bearer " + std::string(key));
  if (body_bytes > 0) {
    writer.header("content-type", "application/json").content_length(body_bytes);
  }
  for (const auto& [name, value] : settings.headers) writer.any_header(name, value);
  writer.end();
  return std::string(writer.text());
}

}  // namespace sluice::load
