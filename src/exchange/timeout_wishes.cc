#include "timeout_wishes.h"

#include <algorithm>

#include <sluice/base/units.h>

namespace sluice::exchange {
namespace {

// No request runs so long, and a clock that is off bounds no wish: with the time of day added, what
// the text can say would overflow.
constexpr Duration kWishMost = std::chrono::days(365);

std::string_view trim(std::string_view text) noexcept {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

std::optional<Duration>* clock_named(TimeoutWishes& wishes, std::string_view name) noexcept {
  if (name == "total") return &wishes.total;
  if (name == "first_token") return &wishes.first_token;
  if (name == "response") return &wishes.response;
  if (name == "connect") return &wishes.connect;
  if (name == "idle") return &wishes.idle;
  return nullptr;
}

Duration apply_wish(Duration configured, const std::optional<Duration>& wish,
                    Duration cap) noexcept {
  if (!wish) return configured;
  const bool is_shorter = configured == Duration::zero() || *wish <= configured;
  // A clock that is off bounds nothing yet, so any wish shortens it.
  return is_shorter ? *wish : std::clamp(*wish, configured, std::max(configured, cap));
}

}  // namespace

std::optional<TimeoutWishes> parse_timeout_wishes(std::string_view text) noexcept {
  TimeoutWishes wishes;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view part = trim(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const size_t equals = part.find('=');
    const bool is_named = equals != std::string_view::npos;
    std::optional<Duration>* const clock =
        clock_named(wishes, is_named ? trim(part.substr(0, equals)) : "total");
    const std::optional<Duration> value =
        parse_duration(is_named ? trim(part.substr(equals + 1)) : part);
    // Zero would switch a clock off, which is not the client's to do.
    if (clock == nullptr || clock->has_value() || !value || *value <= Duration::zero()) {
      return std::nullopt;
    }
    *clock = std::min(*value, kWishMost);
  }
  return wishes;
}

config::UpstreamTimeouts apply_wishes(const config::UpstreamTimeouts& configured,
                                      const TimeoutWishes& wishes, Duration cap) noexcept {
  return {.connect = apply_wish(configured.connect, wishes.connect, cap),
          .response = apply_wish(configured.response, wishes.response, cap),
          .first_token = apply_wish(configured.first_token, wishes.first_token, cap),
          .idle = apply_wish(configured.idle, wishes.idle, cap),
          .total = apply_wish(configured.total, wishes.total, cap)};
}

bool had_short_clock(ErrorCode code, const config::UpstreamTimeouts& configured,
                     const config::UpstreamTimeouts& applied, Duration lasted) noexcept {
  const auto is_shorter = [](Duration mine, Duration usual) {
    return mine != Duration::zero() && (usual == Duration::zero() || mine < usual);
  };
  switch (code) {
    case ErrorCode::kConnectTimeout: return is_shorter(applied.connect, configured.connect);
    case ErrorCode::kUpstreamTimeout: return is_shorter(applied.response, configured.response);
    case ErrorCode::kFirstTokenTimeout:
      return is_shorter(applied.first_token, configured.first_token);
    case ErrorCode::kUpstreamStalled: return is_shorter(applied.idle, configured.idle);
    case ErrorCode::kTotalTimeout:
      return configured.total == Duration::zero() ||
             lasted < configured.total - configured.total / 10;
    default: return false;
  }
}

}  // namespace sluice::exchange
