#include "content.h"

#include <sluice/http/sse.h>

#include "walked_event.h"

namespace sluice::usage {

bool delta_says_something(std::string_view delta) noexcept {
  const std::string_view content = find_value(delta, "\"content\"");
  if (is_text(content)) return true;
  for (const std::string_view key : {"\"tool_calls\"", "\"reasoning_content\"", "\"reasoning\"",
                                     "\"refusal\"", "\"function_call\""}) {
    const std::string_view value = find_value(delta, key);
    if (is_text(value) || value.starts_with('[') || value.starts_with('{')) return true;
  }
  const size_t inside = delta.find_first_not_of(" \t\r\n", 1);
  const bool is_empty = inside == std::string_view::npos || delta[inside] == '}';
  return !is_empty && content.empty() && find_value(delta, "\"role\"").empty();
}

bool brings_content(std::string_view event) noexcept {
  const http::DataLines data = http::data_of(event);
  if (data.lines == 0 || data.first == "[DONE]") return false;
  const std::string_view text = data.lines == 1 ? data.first : event;
  const std::string_view delta = find_value(text, "\"delta\"");
  if (is_content_at(delta, 0)) return true;
  const std::string_view type = find_value(text, "\"type\"");
  if (type.starts_with("\"error\"")) return false;
  if (type.starts_with("\"response.")) {
    return type.substr(1, type.find('"', 1) - 1).ends_with(".delta") && is_text(delta);
  }
  return delta.starts_with('{') ? delta_says_something(delta)
                                : is_text(find_value(text, "\"text\""));
}

}  // namespace sluice::usage
