#include "shape.h"

#include <sluice/base/units.h>

#include "settings.h"

namespace sluice::sim {
namespace {

// The number behind the colon: forbidden, or required and at least `least`.
struct FaultSpec {
  std::string_view name;
  bool has_number;
  uint64_t least;
  uint64_t most;
};

constexpr uint64_t kCountMax = uint64_t{1} << 40;
constexpr uint64_t kBytesMax = 256 * 1024 * 1024;

// In the order of Fault.
constexpr std::array<FaultSpec, kFaultCount> kSpecs = {{
    {"status", true, 400, 599},
    {"stall", false, 0, 0},
    {"stall-after", true, 0, kCountMax},
    {"cut-before-head", false, 0, 0},
    {"cut-after", true, 0, kCountMax},
    {"cut-mid-event", true, 0, kCountMax},
    {"cut-mid-chunk", true, 0, kCountMax},
    {"reset-after", true, 0, kCountMax},
    {"garbage", false, 0, 0},
    {"bad-chunk", true, 0, kCountMax},
    {"slow", true, 1, kCountMax},
    {"no-usage", false, 0, 0},
    {"usage-first", false, 0, 0},
    {"split", true, 1, kBytesMax},
    {"one-chunk", false, 0, 0},
    {"content-length", false, 0, 0},
    {"until-close", false, 0, 0},
    {"crlf", false, 0, 0},
    {"comments", false, 0, 0},
    {"big-event", true, 1, kBytesMax},
    {"error-event", true, 0, kCountMax},
    {"close", false, 0, 0},
    {"early-close", false, 0, 0},
    {"hang-body", false, 0, 0},
    {"early-answer", false, 0, 0},
}};

// Topics of chances, beside the faults.
constexpr uint64_t kSlowFirstTopic = kFaultCount;

}  // namespace

bool Faults::add_one(std::string_view text) noexcept {
  if (text == "none") {
    set_.reset();
    return true;
  }
  Chance chance;
  if (const size_t percent = text.find("%:"); percent != std::string_view::npos) {
    if (!assign(&chance, Chance::parse(text.substr(0, percent + 1)))) return false;
    text.remove_prefix(percent + 2);
  }
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  for (size_t i = 0; i < kSpecs.size(); ++i) {
    const FaultSpec& spec = kSpecs[i];
    if (spec.name != name) continue;
    if (spec.has_number != (colon != std::string_view::npos)) return false;
    uint64_t number = 0;
    if (spec.has_number &&
        !assign(&number, parse_number<uint64_t>(text.substr(colon + 1), spec.least, spec.most))) {
      return false;
    }
    set_.set(i);
    numbers_[i] = number;
    chances_[i] = chance;
    return true;
  }
  return false;
}

bool Faults::add(std::string_view text) noexcept {
  Faults changed = *this;
  for (;;) {
    const size_t comma = text.find(',');
    if (!changed.add_one(text.substr(0, comma))) return false;
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  *this = changed;
  return true;
}

void Faults::settle(uint64_t draw) noexcept {
  for (size_t i = 0; i < kFaultCount; ++i) {
    if (set_[i] && !chances_[i].comes_true(draw, i)) set_.reset(i);
  }
}

// "5%:2s".
bool Shape::set_slow_first(std::string_view text) noexcept {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  const auto by = parse_duration(text.substr(colon + 1));
  return by && assign(&slow_first, Chance::parse(text.substr(0, colon))) &&
         assign(&slow_first_by, by);
}

bool Shape::set(std::string_view name, std::string_view value) noexcept {
  if (name == "ttft") return assign(&ttft, parse_duration(value));
  if (name == "tps") return assign(&tps, parse_number<double>(value, 0, 1e9));
  if (name == "tokens") return assign(&tokens, parse_number<uint64_t>(value, 0, kTokensMax));
  if (name == "token-bytes") {
    return assign(&token_bytes, parse_number<uint32_t>(value, 0, kTokenBytesMax));
  }
  if (name == "retry-after") {
    return assign(&retry_after, parse_number<uint32_t>(value, 0, 86400));
  }
  if (name == "stamp") return assign_flag(&stamp, value);
  if (name == "burst") return assign_flag(&burst, value);
  if (name == "fixed") return assign_flag(&fixed, value);
  if (name == "slow-first") return set_slow_first(value);
  if (name == "fault") return faults.add(value);
  return false;
}

bool Shape::set_all(std::string_view text) noexcept {
  return for_each_setting(
      text, [this](std::string_view name, std::string_view value) { return set(name, value); });
}

void Shape::settle(uint64_t draw) noexcept {
  faults.settle(draw);
  if (slow_first.comes_true(draw, kSlowFirstTopic)) ttft += slow_first_by;
}

std::string_view shape_of_model(std::string_view model) noexcept {
  const size_t mark = model.find('?');
  return mark == std::string_view::npos ? std::string_view() : model.substr(mark + 1);
}

}  // namespace sluice::sim
