#include "redis_ledger.h"

#include <algorithm>

#include <fmt/format.h>

namespace sluice::control {
namespace {

constexpr size_t kBucketNumbers = 2;
constexpr size_t kAnswerNumbers = 8;
// What the script's numbers can say exactly; as microseconds it can be added to any time.
constexpr int64_t kNumberMost = int64_t{1} << 53;

}  // namespace

LedgerKind ledger_kind_of(const limit::BankTerms& terms) noexcept {
  if (!terms.is_granted()) return LedgerKind::kSplit;
  switch (terms.window) {
    case config::LimitWindow::kDay: return LedgerKind::kDay;
    case config::LimitWindow::kWeek: return LedgerKind::kWeek;
    case config::LimitWindow::kMonth: return LedgerKind::kMonth;
    case config::LimitWindow::kTotal: return LedgerKind::kTotal;
    default: return LedgerKind::kRolling;
  }
}

bool LedgerReply::is_whole() const noexcept {
  return std::ranges::all_of(answers, [](const LedgerAnswer& a) { return a.is_answered; });
}

struct RedisLedger::Group {
  std::vector<uint32_t> buckets;
  std::vector<size_t> asks;  // Positions in the call.
};

std::string RedisLedger::key_in(uint32_t bucket, std::string_view rest) const {
  return fmt::format("{}:{{b{:02}}}:{}", parts_.space, bucket, rest);
}

std::vector<RedisLedger::Group> RedisLedger::groups_of(const LedgerCall& call) const {
  std::vector<Group> by_bucket(kLedgerBuckets);
  for (size_t i = 0; i < call.asks.size(); ++i) {
    by_bucket[bucket_of(call.asks[i].key)].asks.push_back(i);
  }
  std::vector<Group> groups;
  for (uint32_t bucket = 0; bucket < kLedgerBuckets; ++bucket) {
    const std::vector<size_t>& asks = by_bucket[bucket].asks;
    if (asks.empty() && !call.greets_all) continue;
    if (groups.empty() || parts_.is_cluster) groups.emplace_back();
    groups.back().buckets.push_back(bucket);
    groups.back().asks.insert(groups.back().asks.end(), asks.begin(), asks.end());
  }
  return groups;
}

store::RedisCommand RedisLedger::command_of(const LedgerCall& call, const Group& group) const {
  std::vector<std::string> keys;
  keys.reserve(1 + group.buckets.size() + group.asks.size());
  keys.push_back(
      key_in(group.buckets.front(), fmt::format("last:{}:{}", parts_.gateway, call.lane)));
  for (const uint32_t bucket : group.buckets) keys.push_back(key_in(bucket, "gateways"));
  std::vector<std::string> arguments{parts_.gateway, fmt::format("{}", call.batch),
                                     fmt::format("{}", group.buckets.size()),
                                     fmt::format("{}", group.asks.size())};
  for (const uint32_t bucket : group.buckets) {
    arguments.push_back(fmt::format("{}", call.since[bucket]));
  }
  size_t at = 0;
  for (const size_t index : group.asks) {
    const LedgerAsk& ask = call.asks[index];
    const uint32_t bucket = bucket_of(ask.key);
    while (group.buckets[at] != bucket) ++at;
    keys.push_back(key_in(bucket, fmt::format("{:016x}{:016x}", ask.key.rule, ask.key.subject)));
    const int64_t numbers[] = {static_cast<int64_t>(at + 1),
                               static_cast<int64_t>(ask.kind),
                               ask.most,
                               ask.length.count(),
                               ask.want,
                               ask.least,
                               ask.returned,
                               ask.return_slot,
                               ask.owed};
    for (const int64_t number : numbers) arguments.push_back(fmt::format("{}", number));
  }
  return store::run_script(ledger_script(), keys, arguments);
}

bool RedisLedger::read(const store::RedisReply& reply, const Group& group, LedgerReply& into) {
  using Kind = store::RedisReply::Kind;
  const size_t count = group.buckets.size() * kBucketNumbers + group.asks.size() * kAnswerNumbers;
  if (reply.kind != Kind::kList || reply.items.size() != count) return false;
  if (!std::ranges::all_of(reply.items, [](const store::RedisReply& item) {
        return item.kind == Kind::kInteger && item.integer >= 0 && item.integer <= kNumberMost;
      })) {
    return false;
  }
  size_t at = 0;
  const auto next = [&] { return reply.items[at++].integer; };
  for (const uint32_t bucket : group.buckets) {
    LedgerBucket& told = into.buckets[bucket];
    told.is_answered = true;
    told.since = next();
    told.learning = microseconds(next());
  }
  for (const size_t index : group.asks) {
    LedgerAnswer& answer = into.answers[index];
    answer.is_answered = true;
    answer.granted = next();
    answer.slot = next();
    answer.lives = microseconds(next());
    answer.remaining = next();
    answer.returns = microseconds(next());
    answer.most = next();
    answer.gateways = next();
    answer.cap = next();
  }
  return true;
}

Task<Result<LedgerReply>> RedisLedger::ask(const LedgerCall& call, Deadline deadline) {
  const std::vector<Group> groups = groups_of(call);
  std::vector<store::RedisCommand> commands;
  commands.reserve(groups.size());
  for (const Group& group : groups) commands.push_back(command_of(call, group));
  LedgerReply reply;
  reply.answers.resize(call.asks.size());
  if (commands.empty()) co_return reply;
  const std::vector<Result<store::RedisReply>> told =
      co_await parts_.client.call(std::move(commands), deadline);
  bool is_any = false;
  std::string refusal;
  Error error{ErrorCode::kIo, Side::kSelf, Retry::kYes, "no answer"};
  for (size_t i = 0; i < groups.size(); ++i) {
    if (!told[i]) {
      error = told[i].error();
    } else if (told[i]->is_error()) {
      refusal = told[i]->text;
    } else if (read(*told[i], groups[i], reply)) {
      is_any = true;
    } else {
      refusal = "it answers what our script does not say";
    }
  }
  refusal_ = refusal;
  if (!is_any) {
    if (!refusal.empty()) error.detail = "the server refuses";
    co_return Unexpected(error);
  }
  co_return reply;
}

}  // namespace sluice::control
