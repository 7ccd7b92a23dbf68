// What another gateway wrote on the board is read within its bounds or not at all; told on it is
// the same; and sums over hostile gateways stay sums.
#include <sluice/control/gateway_stats.h>

#include <algorithm>

#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using namespace sluice::control;
using fuzz::expect;

constexpr char kBetween = '\xff';

void check_bounds(const OwnStats& own) {
  expect(own.in_flight <= kStatsInFlightMost, "requests in flight are bounded");
  expect(own.minute_tokens <= kStatsTokensMost, "tokens are bounded");
  for (const SharedMean& mean : {own.first_token, own.whole}) {
    expect(mean.value >= Duration::zero() && mean.value <= kStatsMeanMost, "means are bounded");
    expect(mean.shards <= kStatsShardsMost, "shards are bounded");
  }
  expect(own.cooldown.age >= Duration::zero() && own.cooldown.age <= kStatsCooldownMost &&
             own.cooldown.left >= Duration::zero() && own.cooldown.left <= kStatsCooldownMost,
         "cooldowns are bounded");
}

void check_text(std::string_view text) {
  const std::vector<char> copy = fuzz::copy_of(text);
  const auto stats = decode_stats(fuzz::view_of(copy));
  if (!stats) return;
  for (const auto& [name, own] : *stats) {
    expect(!name.empty() && name.size() <= kStatsNameMost, "names are bounded");
    check_bounds(own);
  }
  const std::string told = encode_stats(*stats);
  expect(told.size() <= text.size(), "nothing is added");
  const auto again = decode_stats(told);
  expect(again.has_value() && encode_stats(*again) == told, "what is told is read alike");
  for (const auto& [name, own] : *again) {
    const auto first = stats->find(name);
    expect(first != stats->end() && first->second.in_flight == own.in_flight &&
               first->second.minute_tokens == own.minute_tokens,
           "and means the same");
  }
}

void check_sum(const std::vector<GatewayText>& texts, MonoTime now, OtherGateways& others) {
  others.hear(texts, now);
  uint64_t in_flight = 0;
  size_t heard = 0;
  for (const GatewayText& text : texts) {
    const bool is_fresh = text.age >= Duration::zero() && text.age < OtherGateways::kSilenceMost;
    const auto stats = is_fresh ? decode_stats(text.text) : std::nullopt;
    if (!stats) continue;
    ++heard;
    for (const auto& [name, own] : *stats) in_flight += own.in_flight;
  }
  uint64_t summed = 0;
  for (const auto& [name, sum] : others.sum()) {
    summed += sum.in_flight;
    expect(sum.first_token.value >= Duration::zero() && sum.first_token.value <= kStatsMeanMost,
           "a mean of means is one");
  }
  expect(heard > OtherGateways::kMost || summed == in_flight, "all in flight are counted once");
  others.forget_silent(now + OtherGateways::kSilenceMost);
  expect(others.sum().empty(), "who is silent is forgotten");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 2) return 0;
  std::string_view rest(reinterpret_cast<const char*>(bytes) + 2, size - 2);
  std::vector<GatewayText> texts;
  while (!rest.empty() && texts.size() < 80) {
    const size_t end = std::min(rest.find(kBetween), rest.size());
    check_text(rest.substr(0, end));
    texts.push_back({.gateway = std::to_string(texts.size()),
                     .age = milliseconds(20 * bytes[0] + 100 * static_cast<int>(texts.size())),
                     .text = std::string(rest.substr(0, end))});
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  OtherGateways others;
  const MonoTime now(seconds(100'000));
  check_sum(texts, now, others);
  others.hear(texts, now);
  std::ranges::reverse(texts);
  check_sum(texts, now + milliseconds(10 * bytes[1]), others);
  return 0;
}
