#include <sluice/control/gateway_stats.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include <fmt/format.h>

namespace sluice::control {
namespace {

// So that a gateway of another version is not misread.
constexpr std::string_view kVersion = "1;";

int64_t micros(Duration length, Duration most) noexcept {
  const Duration bounded = std::clamp(length, Duration::zero(), most);
  return std::chrono::duration_cast<microseconds>(bounded).count();
}

// A mean below a microsecond is none.
bool is_told(const SharedMean& mean) noexcept {
  return mean.shards > 0 && mean.value >= microseconds(1);
}

OwnStats bounded(const OwnStats& own) noexcept {
  OwnStats told;
  told.in_flight = std::min(own.in_flight, kStatsInFlightMost);
  told.minute_tokens = std::min(own.minute_tokens, kStatsTokensMost);
  const auto mean = [](const SharedMean& of) {
    return is_told(of) ? SharedMean{microseconds(micros(of.value, kStatsMeanMost)),
                                    std::min(of.shards, kStatsShardsMost)}
                       : SharedMean{};
  };
  told.first_token = mean(own.first_token);
  told.whole = mean(own.whole);
  const SharedCooldown& cooldown = own.cooldown;
  if (cooldown.number == 0 || cooldown.age > kStatsCooldownMost) return told;
  told.cooldown = {.number = cooldown.number,
                   .age = microseconds(micros(cooldown.age, kStatsCooldownMost)),
                   .left = microseconds(micros(cooldown.left, kStatsCooldownMost))};
  return told;
}

// Reads in order; once something is wrong everything after it is.
class Reader {
 public:
  explicit Reader(std::string_view text) noexcept : rest_(text) {}

  [[nodiscard]] bool is_good() const noexcept { return is_good_; }
  [[nodiscard]] bool has_more() const noexcept { return is_good_ && !rest_.empty(); }

  void expect(std::string_view text) noexcept {
    is_good_ = is_good_ && rest_.starts_with(text);
    if (is_good_) rest_.remove_prefix(text.size());
  }
  // Written without a sign or zeros in front.
  uint64_t number(uint64_t most, char end) noexcept {
    uint64_t value = 0;
    const char* const last = rest_.data() + rest_.size();
    const auto [at, error] = std::from_chars(rest_.data(), last, value);
    const auto length = static_cast<size_t>(at - rest_.data());
    is_good_ = is_good_ && error == std::errc() && at != last && *at == end && value <= most &&
               (rest_.front() != '0' || length == 1);
    if (!is_good_) return 0;
    rest_.remove_prefix(length + 1);
    return value;
  }
  Duration length(Duration most, char end = ' ') noexcept {
    return microseconds(number(static_cast<uint64_t>(micros(most, most)), end));
  }
  std::string_view bytes(size_t count) noexcept {
    is_good_ = is_good_ && count <= rest_.size();
    if (!is_good_) return {};
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

 private:
  std::string_view rest_;
  bool is_good_ = true;
};

SharedMean read_mean(Reader& reader) noexcept {
  SharedMean mean;
  mean.value = reader.length(kStatsMeanMost);
  mean.shards = static_cast<uint32_t>(reader.number(kStatsShardsMost, ' '));
  return mean;
}

void add(SharedMean& sum, const SharedMean& mean) noexcept {
  if (!is_told(mean)) return;
  const auto shards = static_cast<int64_t>(sum.shards) + mean.shards;
  sum.value = (sum.value * sum.shards + mean.value * mean.shards) / shards;
  sum.shards = static_cast<uint32_t>(shards);
}

}  // namespace

std::string encode_stats(const OwnStatsByName& stats) {
  std::string text(kVersion);
  std::string one;
  for (const auto& [name, own] : stats) {
    const OwnStats told = bounded(own);
    if (told == OwnStats{} || name.empty() || name.size() > kStatsNameMost) continue;
    one.clear();
    fmt::format_to(std::back_inserter(one), "{}:{} {} {} {} {} {} {} {} {} {};", name.size(), name,
                   told.in_flight, told.minute_tokens,
                   micros(told.first_token.value, kStatsMeanMost), told.first_token.shards,
                   micros(told.whole.value, kStatsMeanMost), told.whole.shards,
                   told.cooldown.number, micros(told.cooldown.age, kStatsCooldownMost),
                   micros(told.cooldown.left, kStatsCooldownMost));
    if (text.size() + one.size() <= kStatsTextMost) text += one;
  }
  return text;
}

std::optional<OwnStatsByName> decode_stats(std::string_view text) {
  if (text.size() > kStatsTextMost) return std::nullopt;
  OwnStatsByName stats;
  Reader reader(text);
  reader.expect(kVersion);
  while (reader.has_more()) {
    const std::string_view name = reader.bytes(reader.number(kStatsNameMost, ':'));
    reader.expect(" ");
    OwnStats own;
    own.in_flight = reader.number(kStatsInFlightMost, ' ');
    own.minute_tokens = reader.number(kStatsTokensMost, ' ');
    own.first_token = read_mean(reader);
    own.whole = read_mean(reader);
    own.cooldown.number = reader.number(UINT64_MAX, ' ');
    own.cooldown.age = reader.length(kStatsCooldownMost);
    own.cooldown.left = reader.length(kStatsCooldownMost, ';');
    if (!reader.is_good() || name.empty()) return std::nullopt;
    if (!stats.emplace(name, own).second) return std::nullopt;
  }
  if (!reader.is_good()) return std::nullopt;
  return stats;
}

void OtherGateways::hear(const std::vector<GatewayText>& texts, MonoTime now) {
  std::map<std::string, Gateway, std::less<>> heard;
  for (const GatewayText& one : texts) {
    if (heard.size() == kMost || one.age < Duration::zero() || one.age >= kSilenceMost) continue;
    std::optional<OwnStatsByName> stats = decode_stats(one.text);
    if (!stats) continue;
    Gateway& gateway = heard[one.gateway];
    gateway = {.written_at = now - one.age, .stats = *std::move(stats), .cooldowns = {}};
    const auto before = gateways_.find(one.gateway);
    take_cooldowns(gateway, before == gateways_.end() ? nullptr : &before->second, now);
  }
  gateways_ = std::move(heard);
}

void OtherGateways::take_cooldowns(Gateway& gateway, const Gateway* before, MonoTime now) {
  for (const auto& [name, own] : gateway.stats) {
    const SharedCooldown& told = own.cooldown;
    if (told.number == 0) continue;
    Change taken{.number = told.number, .change = {.at = gateway.written_at - told.age}};
    if (told.left > Duration::zero()) taken.change.until = gateway.written_at + told.left;
    if (before != nullptr) {
      const auto known = before->cooldowns.find(name);
      if (known != before->cooldowns.end() && known->second.number == told.number) {
        taken = known->second;
      } else if (known != before->cooldowns.end() && known->second.number < told.number) {
        taken.change.at = std::max(taken.change.at, known->second.change.at + Duration(1));
      }
    }
    // One that was over when it was heard first says nothing; its end does not clear another.
    if (taken.change.until != MonoTime::min() && taken.change.until <= now) continue;
    gateway.cooldowns.emplace(name, taken);
  }
}

void OtherGateways::forget_silent(MonoTime now) {
  std::erase_if(gateways_,
                [now](const auto& each) { return now - each.second.written_at >= kSilenceMost; });
}

OthersStatsByName OtherGateways::sum() const {
  OthersStatsByName sum;
  for (const auto& [id, gateway] : gateways_) {
    for (const auto& [name, own] : gateway.stats) {
      OthersStats& others = sum[name];
      others.in_flight += own.in_flight;
      others.minute_tokens += own.minute_tokens;
      add(others.first_token, own.first_token);
      add(others.whole, own.whole);
    }
    for (const auto& [name, known] : gateway.cooldowns) {
      OthersStats& others = sum[name];
      others.cooldown = later_of(others.cooldown, known.change);
    }
  }
  return sum;
}

}  // namespace sluice::control
