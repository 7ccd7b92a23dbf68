#include "standing.h"

#include "settings.h"

namespace sluice::sim {
namespace {

bool assign_status(uint16_t* target, std::string_view text, uint16_t least) noexcept {
  if (text == "0" && least == 0) {
    *target = 0;
    return true;
  }
  return assign(target, parse_number<uint16_t>(text, 400, 599));
}

}  // namespace

bool Standing::set(std::string_view name, std::string_view value) noexcept {
  if (name == "down") return assign_flag(&is_down, value);
  if (name == "slots") return assign(&slots, parse_number<uint32_t>(value, 0, kSlotsMax));
  if (name == "waiting") return assign(&waiting, parse_number<uint32_t>(value, 0, kSlotsMax));
  if (name == "busy") return assign_status(&busy, value, 400);
  if (name == "health") return assign_status(&health, value, 0);
  return shape.set(name, value);
}

bool Standing::set_all(std::string_view text) noexcept {
  return for_each_setting(
      text, [this](std::string_view name, std::string_view value) { return set(name, value); });
}

Standing SharedStanding::copy() {
  const std::lock_guard lock(mutex_);
  return standing_;
}

bool SharedStanding::change(std::string_view text) {
  const std::lock_guard lock(mutex_);
  Standing changed = standing_;
  if (!changed.set_all(text)) return false;
  standing_ = changed;
  version_.fetch_add(1, std::memory_order_release);
  return true;
}

}  // namespace sluice::sim
