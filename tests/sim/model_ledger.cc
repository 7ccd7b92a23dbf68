#include "model_ledger.h"

#include <algorithm>
#include <chrono>

namespace sluice::support {
namespace {

using control::Ledger;
using control::LedgerKind;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kDay = 86'400 * kSecond;
constexpr int64_t kSilence = Ledger::kSilence.count();

struct Window {
  int64_t slot = 0;
  int64_t ends = 0;
  int64_t first_live = 0;
  int64_t keep = 0;
  int64_t slot_us = 0;  // Of rolling ones.
};

Window window_of(LedgerKind kind, int64_t length, int64_t now) {
  const int64_t day = now / kDay;
  switch (kind) {
    case LedgerKind::kRolling: {
      const int64_t slot_us = std::max(int64_t{1}, length / Ledger::kSlotsPerLength);
      const int64_t slot = now / slot_us;
      return {slot, (slot + 1) * slot_us, (now - length - slot_us) / slot_us, 2 * length, slot_us};
    }
    case LedgerKind::kDay: return {day, (day + 1) * kDay, day, 2 * kDay, 0};
    case LedgerKind::kWeek: {
      const int64_t week = (day + 3) / 7;
      return {week, (7 * (week + 1) - 3) * kDay, week, 14 * kDay, 0};
    }
    case LedgerKind::kMonth: {
      const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
      const int64_t month = int{date.year()} * 12 + static_cast<int>(unsigned{date.month()}) - 1;
      const std::chrono::sys_days next{date.year() / date.month() / 1 + std::chrono::months(1)};
      return {month, next.time_since_epoch().count() * kDay, month, 62 * kDay, 0};
    }
    default: return {1, now + 400 * kDay, 1, 400 * kDay, 0};
  }
}

int64_t keep_of(int64_t us) { return std::max(60 * kSecond, us); }

int64_t level_of(int64_t limit, std::vector<int64_t> wants) {
  std::ranges::sort(wants);
  int64_t left = limit;
  for (size_t i = 0; i < wants.size(); ++i) {
    const int64_t each = left / static_cast<int64_t>(wants.size() - i);
    if (wants[i] > each) return each;
    left -= wants[i];
  }
  return limit;
}

}  // namespace

ModelLedger::Greeting ModelLedger::greet(uint32_t bucket, const std::string& gateway, int64_t known,
                                         int64_t now) {
  Bucket& kept = buckets_[bucket];
  if (kept.since == 0) kept.since = now;
  std::erase_if(kept.heard, [&](const auto& entry) {
    return entry.first != gateway && entry.second <= now - kSilence;
  });
  kept.heard[gateway] = now;
  Greeting greeting{.since = kept.since, .active = static_cast<int64_t>(kept.heard.size())};
  if (kept.since <= now) greeting.learns = kept.since + Ledger::kLearning.count();
  greeting.is_learning = greeting.learns > now;
  greeting.is_known = greeting.since == known;
  return greeting;
}

ModelLedger::Subject& ModelLedger::subject_of(const limit::BankKey& key, int64_t now) {
  Subject& subject = subjects_[{key.rule, key.subject}];
  if (subject.expires <= now) subject = {};
  return subject;
}

int64_t ModelLedger::lowest(Subject& subject, int64_t most, int64_t now) {
  const int64_t turn = now / kSilence;
  if (turn == subject.turn) {
    subject.low = std::min(subject.low, most);
  } else if (turn == subject.turn + 1) {
    subject.before = std::exchange(subject.low, most);
  } else {
    subject.before = subject.low = most;
  }
  subject.turn = turn;
  return std::min(subject.low, subject.before);
}

ModelLedger::Told ModelLedger::grant(const control::LedgerAsk& ask, const Greeting& bucket,
                                     int64_t now) {
  Subject& subject = subject_of(ask.key, now);
  Window window = window_of(ask.kind, ask.length.count(), now);
  const int64_t limit = lowest(subject, ask.most, now);
  window.slot = std::max(window.slot, subject.last_slot);
  subject.last_slot = std::max(subject.last_slot, window.first_live);
  std::erase_if(subject.slots, [&](const auto& slot) { return slot.first < window.first_live; });
  if (const auto slot = subject.slots.find(ask.return_slot);
      ask.returned > 0 && bucket.is_known && slot != subject.slots.end()) {
    slot->second -= std::min(slot->second, ask.returned);
  }
  subject.slots[window.slot] += ask.owed;
  int64_t sum = 0;
  for (const auto& [number, count] : subject.slots) sum += count;
  const int64_t room = std::max(int64_t{0}, limit - sum);
  int64_t granted = 0;
  if (!bucket.is_learning) {
    const int64_t size =
        std::min(limit / (Ledger::kHeldPart * bucket.active), room / (2 * bucket.active));
    granted = std::min({ask.want, std::max({int64_t{1}, size, ask.least}), room});
  }
  subject.slots[window.slot] += granted;
  subject.expires = now + keep_of(window.keep);
  int64_t returns = 0;
  if (granted < ask.want && !bucket.is_learning) {
    returns = window.ends;
    if (window.slot_us > 0) {
      for (const auto& [number, count] : subject.slots) {
        if (count == 0) continue;
        returns = (number + 1) * window.slot_us + ask.length.count() + window.slot_us;
        break;
      }
    }
  }
  return {.granted = granted,
          .slot = window.slot,
          .ends = window.ends,
          .remaining = room - granted,
          .returns = returns,
          .most = limit,
          .gateways = bucket.active};
}

ModelLedger::Told ModelLedger::split(const control::LedgerAsk& ask, const Greeting& bucket,
                                     const std::string& gateway, int64_t now) {
  Subject& subject = subject_of(ask.key, now);
  std::erase_if(subject.parts, [now](const auto& entry) { return entry.second.ends <= now; });
  const int64_t hold = ask.length.count();
  Part own;
  std::vector<int64_t> wants{ask.want};
  int64_t others = 0;
  int64_t active = 1;
  int64_t returns = 0;
  for (auto& [name, part] : subject.parts) {
    const int64_t freed = part.freed_until > now ? part.freed : 0;
    if (name == gateway) {
      own = part;
      own.freed = freed;
      continue;
    }
    others += std::max(part.part, part.held) + freed;
    ++active;
    wants.push_back(part.want);
    if (freed > 0 && (returns == 0 || part.freed_until < returns)) returns = part.freed_until;
  }
  const int64_t limit = lowest(subject, ask.most, now);
  const int64_t free = std::max(int64_t{0}, limit - others);
  const int64_t level = level_of(limit, wants);
  int64_t given = std::min({ask.want, free, std::max(level, own.part)});
  if (bucket.is_learning) given = std::min(given, own.part);
  if (given < own.part) {
    own.freed = hold > 0 ? own.freed + own.part - given : 0;
    own.freed_until = now + hold;
  } else {
    own.freed = std::max(int64_t{0}, own.freed - (given - own.part));
  }
  own.part = given;
  own.held = ask.least;
  own.want = ask.want;
  own.ends = now + kSilence + hold;
  if (given == 0 && own.freed == 0 && ask.least == 0 && ask.want == 0) {
    subject.parts.erase(gateway);
  } else {
    subject.parts[gateway] = own;
  }
  subject.expires = now + keep_of(2 * (kSilence + hold));
  return {.granted = given,
          .ends = now + kSilence,
          .remaining = std::max(int64_t{0}, free - given),
          .returns = returns,
          .most = limit,
          .gateways = active,
          .cap = level};
}

control::LedgerReply ModelLedger::answer(const std::string& gateway,
                                         const control::LedgerCall& call, int64_t now) {
  Kept& kept = kept_[{gateway, call.lane}];
  if (!call.asks.empty() && kept.batch > call.batch && kept.expires > now) return {};
  const bool is_same = !call.asks.empty() && kept.batch == call.batch && kept.expires > now &&
                       kept.told.size() == call.asks.size();
  Kept answer = kept;
  if (!is_same) {
    std::map<uint32_t, Greeting> greetings;
    for (uint32_t bucket = 0; bucket < control::kLedgerBuckets; ++bucket) {
      const bool is_meant =
          call.greets_all || std::ranges::any_of(call.asks, [bucket](const auto& ask) {
            return control::bucket_of(ask.key) == bucket;
          });
      if (is_meant) greetings[bucket] = greet(bucket, gateway, call.since[bucket], now);
    }
    std::vector<Told> told;
    for (const control::LedgerAsk& ask : call.asks) {
      const Greeting& bucket = greetings[control::bucket_of(ask.key)];
      told.push_back(ask.kind == LedgerKind::kSplit ? split(ask, bucket, gateway, now)
                                                    : grant(ask, bucket, now));
    }
    answer = {call.batch, std::move(greetings), std::move(told), now + 600 * kSecond};
    if (!call.asks.empty()) kept = answer;
  }
  control::LedgerReply reply;
  for (const auto& [bucket, greeting] : answer.greetings) {
    reply.buckets[bucket] = {.is_answered = true,
                             .since = greeting.since,
                             .learning = microseconds(std::max(int64_t{0}, greeting.learns - now))};
  }
  for (const Told& told : answer.told) {
    reply.answers.push_back({.is_answered = true,
                             .granted = told.granted,
                             .slot = told.slot,
                             .lives = microseconds(std::max(int64_t{0}, told.ends - now)),
                             .remaining = told.remaining,
                             .returns = microseconds(std::max(int64_t{0}, told.returns - now)),
                             .most = told.most,
                             .gateways = told.gateways,
                             .cap = told.cap});
  }
  return reply;
}

}  // namespace sluice::support
