#include "settings.h"

#include <array>
#include <charconv>

#include <sluice/http/serializer.h>
#include <sluice/json/writer.h>

namespace sluice::load {

std::optional<Url> parse_url(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  if (!text.starts_with(kScheme)) return std::nullopt;
  text.remove_prefix(kScheme.size());
  const size_t slash = std::min(text.find('/'), text.size());
  Url url;
  url.authority = text.substr(0, slash);
  url.path = text.substr(slash);
  std::string_view host = url.authority;
  const size_t bracket = host.rfind(']');
  const size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    const std::string_view port = host.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (error != std::errc() || end != port.data() + port.size()) return std::nullopt;
    host = host.substr(0, colon);
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  url.host = host;
  if (url.host.empty()) return std::nullopt;
  return url;
}

std::string render_request(const Settings& settings, const Url& url) {
  std::array<char, 16 * 1024> bytes;
  http::HeadWriter writer(bytes);
  writer.request_line(settings.body.empty() ? "GET" : "POST", url.path + settings.path);
  writer.header("host", url.authority).header("user-agent", "sluice-load");
  if (!settings.body.empty()) {
    writer.header("content-type", "application/json").content_length(settings.body.size());
  }
  for (const auto& [name, value] : settings.headers) writer.any_header(name, value);
  writer.end();
  return std::string(writer.text()) + (writer.ok() ? settings.body : std::string());
}

std::string make_body(std::string_view model, bool streams, size_t bytes) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("model").string(model);
  if (streams) {
    writer.key("stream").boolean(true);
    // Asked for by the client itself, so that a gateway has no reason to change the events.
    writer.key("stream_options").begin_object().key("include_usage").boolean(true).end_object();
  }
  writer.key("messages").begin_array().begin_object();
  writer.key("role").string("user").key("content");
  constexpr size_t kRest = 5;  // Quotes and closing brackets behind the content.
  const size_t filled = out.size() + kRest;
  std::string content = "Say something. ";
  while (filled + content.size() < bytes) content += "lorem ipsum "[content.size() % 12];
  writer.string(content).end_object().end_array().end_object();
  return out;
}

}  // namespace sluice::load
