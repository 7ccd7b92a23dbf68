#include <sluice/config/origin_rules.h>

#include <algorithm>
#include <span>

#include <absl/strings/string_view.h>
#include <fmt/format.h>

namespace sluice::config {
namespace {

void add_list(std::string& lines, std::string_view name, std::span<const std::string> items) {
  if (!items.empty()) lines += fmt::format("{}: {}\r\n", name, fmt::join(items, ", "));
}

}  // namespace

OriginRules::OriginRules(const CorsSettings& settings, const OriginList& origins)
    : are_enabled_(settings.enabled) {
  if (!are_enabled_) return;
  std::string readable;
  if (settings.allow_credentials) readable = "access-control-allow-credentials: true\r\n";
  std::string sendable = readable;
  add_list(readable, "access-control-expose-headers", settings.expose_headers);
  add_list(sendable, "access-control-allow-methods", settings.allow_methods);
  add_list(sendable, "access-control-allow-headers", settings.allow_headers);
  sendable += fmt::format("access-control-max-age: {}\r\n",
                          std::chrono::duration_cast<seconds>(settings.max_age).count());
  const auto lines_for = [&](std::string_view origin) {
    const std::string first = fmt::format("access-control-allow-origin: {}\r\n", origin);
    return Lines{.answer = first + readable, .preflight = first + sendable};
  };
  denied_.insert(origins.deny.begin(), origins.deny.end());
  if (settings.allow_all_origins) {
    everybody_ = lines_for("*");
  } else {
    for (const std::string& origin : origins.allow) allowed_.emplace(origin, lines_for(origin));
  }
  if (!settings.allow_all_origins || !denied_.empty()) shared_lines_ = "vary: origin\r\n";
}

const OriginRules::Lines* OriginRules::find(std::string_view origin) const noexcept {
  if (!are_enabled_ || origin.empty()) return nullptr;
  const absl::string_view key(origin.data(), origin.size());
  if (!denied_.empty() && denied_.contains(key)) return nullptr;
  if (!everybody_.answer.empty()) return &everybody_;
  const auto found = allowed_.find(key);
  return found == allowed_.end() ? nullptr : &found->second;
}

std::string_view OriginRules::answer_lines(std::string_view origin) const noexcept {
  const Lines* lines = find(origin);
  return lines == nullptr ? std::string_view() : lines->answer;
}

std::string_view OriginRules::preflight_lines(std::string_view origin) const noexcept {
  const Lines* lines = find(origin);
  return lines == nullptr ? std::string_view() : lines->preflight;
}

}  // namespace sluice::config
