#include "gateway_fleet.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include <sluice/control/limit_reconciler.h>

namespace sluice::sim {
namespace {

using config::LimitMeasure;
using config::LimitWindow;
using Fault = FleetPlan::Fault;
using Verdict = limit::Decision::Verdict;

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kStart = 1'700'000'000 * kSecondUs;
// What was given back by a part that had a rolling limit counts a little longer than its window.
constexpr int64_t kSlack = 3 * 60 * kSecondUs / 64;
// How long a gateway that was cut off may have more in flight than its part.
constexpr int64_t kLongestRequest = 8 * kSecondUs;

}  // namespace

struct GatewayFleet::Gateway {
  struct Shard {
    Shard(limit::BankTable& banks, ShardId id, uint32_t count, const config::Snapshot& config)
        : subjects(config), limiter(banks, id, count) {}
    limit::SubjectTable subjects;
    limit::RateLimiter limiter;
  };
  struct Waiting {
    size_t shard;
    int64_t amount;
    int64_t until;
  };

  size_t place = 0;
  uint64_t incarnation = 0;
  std::string name;       // For the ledger; a successor has its predecessor's.
  uint64_t identity = 0;  // The first incarnation of that name.
  std::unique_ptr<limit::BankTable> banks;
  std::unique_ptr<control::LedgerBook> book;
  std::vector<std::unique_ptr<Shard>> shards;
  std::deque<Waiting> waiting;
  std::map<uint64_t, limit::Reservation> in_flight;
  uint64_t next_request = 0;
  std::array<uint64_t, control::Ledger::kLanes> sent{};  // Counts, so that a late answer is known.
  int64_t lost_at = 0;                                   // When it last was.
  int64_t listens_at = 0;                                // At the latest.
  bool is_listening = false;

  [[nodiscard]] limit::LimitTime at(MonoTime now) const { return banks->clock().at(now); }
};

FleetPlan FleetPlan::of_seed(uint64_t seed) {
  support::Prng random(seed * 977 + 5);
  FleetPlan plan{.seed = seed};
  plan.gateways = static_cast<uint32_t>(random.between(1, 8));
  plan.shards = static_cast<uint32_t>(random.between(1, random.below(4) == 0 ? 16 : 4));
  config::LimitRule& rule = plan.rule;
  rule.name = "rule";
  rule.scope = config::LimitScope::kGateway;
  constexpr uint64_t kMosts[] = {1, 3, 10, 60, 100, 500, 1000, 3000};
  rule.most = kMosts[random.below(std::size(kMosts))];
  rule.length = seconds(60);
  constexpr config::OnLoss kModes[] = {config::OnLoss::kShare, config::OnLoss::kLocal,
                                       config::OnLoss::kDeny};
  rule.on_loss = kModes[random.below(3)];
  plan.fault = static_cast<Fault>(random.below(5));
  const uint64_t kind = random.below(8);
  if (kind == 4) {
    rule.window = LimitWindow::kDay;
  } else if (kind == 5) {
    rule.length = seconds(1);
    plan.length = seconds(20);
  } else if (kind == 6) {
    rule.burst = static_cast<uint32_t>(random.between(1, std::max(uint64_t{1}, rule.most / 2)));
    rule.length = seconds(1);
    plan.length = seconds(20);
    plan.fault = Fault::kNone;
  } else if (kind == 7) {
    rule.measure = LimitMeasure::kConcurrency;
    rule.window = LimitWindow::kNone;
    plan.length = seconds(40);
    if (plan.fault == Fault::kFailover) plan.fault = Fault::kKill;
  } else if (kind == 3) {
    rule.measure = LimitMeasure::kTokens;
    plan.amount_most = static_cast<uint32_t>(std::max(uint64_t{1}, rule.most / 10));
  }
  plan.tick = milliseconds(static_cast<int64_t>(random.between(5, 50)));
  const double window_s =
      rule.window == LimitWindow::kDay ? 65 : std::chrono::duration<double>(rule.length).count();
  const double load = 0.5 + static_cast<double>(random.below(30)) / 10;
  plan.arrivals = std::min(
      2000.0, load * static_cast<double>(rule.most) / window_s * 2 / (plan.amount_most + 1.0) + 1);
  if (rule.measure == LimitMeasure::kConcurrency) plan.arrivals = 100;
  plan.first_share = random.below(2) == 0 ? 1.0 / plan.gateways : 0.9;
  plan.loses_messages = random.below(3) == 0;
  support::Prng other(seed * 31 + 7);
  if (other.below(3) == 0) plan.upgrades = static_cast<uint32_t>(other.between(1, 6));
  return plan;
}

GatewayFleet::GatewayFleet(const FleetPlan& plan)
    : plan_(plan), random_(plan.seed), gateways_(plan.gateways), heirs_(plan.gateways) {
  config_.limit_rules = {plan.rule};
  config_.gateway_limits = {LimitId{0}};
  config_.tenants = {{.name = "default"}};
  now_ = kStart + static_cast<int64_t>(random_.below(120 * kSecondUs));
  // Midnight comes in the middle.
  if (plan.rule.window == LimitWindow::kDay)
    now_ += (86'400 - kStart / kSecondUs % 86'400 - 120) * kSecondUs;
  level_at_ = now_;
}

GatewayFleet::~GatewayFleet() {
  for (size_t place = 0; place < gateways_.size(); ++place) kill(place);
}

void GatewayFleet::at(int64_t time, std::function<void()> what) {
  events_.push({time, order_++, std::move(what)});
}

void GatewayFleet::fail(const std::string& what) {
  if (!result_.violation.empty()) return;
  result_.violation = fmt::format(
      "seed {}: {} gateways of {} shards, at most {} (measure {}, window {}, burst {}, on_loss "
      "{}), "
      "fault {}, {} upgrades: {}",
      plan_.seed, plan_.gateways, plan_.shards, plan_.rule.most,
      static_cast<int>(plan_.rule.measure), static_cast<int>(plan_.rule.window), plan_.rule.burst,
      static_cast<int>(plan_.rule.on_loss), static_cast<int>(plan_.fault), result_.upgrades, what);
}

FleetResult GatewayFleet::run() {
  const int64_t end = now_ + std::chrono::duration_cast<microseconds>(plan_.length).count();
  for (size_t place = 0; place < gateways_.size(); ++place) start(place);
  plan_faults();
  // Traffic begins when all have found the ledger.
  for (size_t place = 0; place < gateways_.size(); ++place) {
    at(now_ + 3 * kSecondUs, [this, place] { arrive(place); });
  }
  while (!events_.empty() && result_.violation.empty()) {
    const Event event = events_.top();
    if (event.at > end) break;
    events_.pop();
    now_ = event.at;
    event.what();
  }
  return std::move(result_);
}

// --- gateways ----------------------------------------------------------------------------------

void GatewayFleet::start(size_t place) {
  auto gateway = std::make_unique<Gateway>();
  gateway->place = place;
  gateway->incarnation = ++incarnations_;
  gateway->name = fmt::format("{}", gateway->incarnation);
  gateway->identity = gateway->incarnation;
  gateway->banks =
      std::move(*limit::BankTable::make({.subjects_max = 16, .now = mono(), .wall = {now_}}));
  gateway->book = std::make_unique<control::LedgerBook>(
      control::LedgerBook::Parts{.banks = *gateway->banks,
                                 .gateways = plan_.gateways,
                                 .tick = std::chrono::duration_cast<microseconds>(plan_.tick)});
  for (uint32_t i = 0; i < plan_.shards; ++i) {
    gateway->shards.push_back(
        std::make_unique<Gateway::Shard>(*gateway->banks, ShardId{i}, plan_.shards, config_));
  }
  gateway->listens_at =
      now_ + control::LimitReconciler::kMeetingMost / std::chrono::microseconds(1);
  const uint64_t incarnation = gateway->incarnation;
  gateways_[place] = std::move(gateway);
  at(now_ + static_cast<int64_t>(random_.below(20'000)),
     [this, place, incarnation] { tick(place, incarnation); });
}

// As by kill -9: nothing is told to anybody. With it go its predecessors and its successor.
void GatewayFleet::kill(size_t place) {
  const auto end = [](Gateway* gateway) {
    if (gateway == nullptr) return;
    gateway->in_flight.clear();
    gateway->shards.clear();
    gateway->book.reset();
  };
  end(heirs_[place].get());
  heirs_[place].reset();
  end(gateways_[place].get());
  gateways_[place].reset();
  std::erase_if(leaving_, [&](const std::unique_ptr<Gateway>& old) {
    if (old->place != place) return false;
    end(old.get());
    return true;
  });
}

void GatewayFleet::upgrade(size_t place) {
  Gateway* const old = gateways_[place].get();
  if (old == nullptr || heirs_[place] != nullptr) return;
  auto banks = limit::BankTable::make({.fd = ::dup(old->banks->share_fd())});
  // Too many before it still drain.
  if (!banks) return;
  auto heir = std::make_unique<Gateway>();
  heir->place = place;
  heir->incarnation = ++incarnations_;
  heir->name = old->name;
  heir->identity = old->identity;
  heir->lost_at = old->lost_at;
  heir->is_listening = true;
  heir->banks = std::move(*banks);
  for (uint32_t i = 0; i < plan_.shards; ++i) {
    heir->shards.push_back(
        std::make_unique<Gateway::Shard>(*heir->banks, ShardId{i}, plan_.shards, config_));
  }
  heirs_[place] = std::move(heir);
  at(now_ + static_cast<int64_t>(random_.below(100'000)),
     [this, place, incarnation = old->incarnation] { hand_over(place, incarnation); });
}

void GatewayFleet::hand_over(size_t place, uint64_t incarnation) {
  Gateway* const old = gateways_[place].get();
  if (old == nullptr || old->incarnation != incarnation) return;
  if (old->book->has_calls_in_flight()) {
    return at(now_ + 100, [this, place, incarnation] { hand_over(place, incarnation); });
  }
  const std::string note = old->book->leave(limit::BankTable::kNoteBytes);
  old->book.reset();
  Gateway& heir = *heirs_[place];
  heir.book = std::make_unique<control::LedgerBook>(
      control::LedgerBook::Parts{.banks = *heir.banks,
                                 .gateways = plan_.gateways,
                                 .tick = std::chrono::duration_cast<microseconds>(plan_.tick)},
      note);
  if (!heir.book->was_restored()) fail("a successor does not know what its predecessor knew");
  leaving_.push_back(std::exchange(gateways_[place], std::move(heirs_[place])));
  ++result_.upgrades;
  at(now_ + 1, [this, place, heir = heir.incarnation] { tick(place, heir); });
  at(now_ + 1, [this, incarnation] { drain(incarnation); });
}

void GatewayFleet::drain(uint64_t incarnation) {
  const auto old = std::ranges::find(leaving_, incarnation, &Gateway::incarnation);
  if (old == leaving_.end()) return;
  std::deque<Gateway::Waiting> waiting = std::exchange((*old)->waiting, {});
  for (const Gateway::Waiting& request : waiting) {
    if (request.until > now_) {
      admit(**old, request.amount, request.until);
    } else {
      ++result_.refused;
    }
  }
  for (const auto& shard : (*old)->shards) shard->limiter.sweep(mono());
  const bool is_over = (*old)->waiting.empty() && (*old)->in_flight.empty();
  if (is_over && random_.below(8) == 0) {
    leaving_.erase(old);
  } else {
    at(now_ + 5'000, [this, incarnation] { drain(incarnation); });
  }
}

GatewayFleet::Gateway* GatewayFleet::find(uint64_t incarnation) {
  for (const auto* list : {&gateways_, &heirs_, &leaving_}) {
    for (const auto& gateway : *list) {
      if (gateway != nullptr && gateway->incarnation == incarnation) return gateway.get();
    }
  }
  return nullptr;
}

// One that was started serves nobody before the ledger has answered it, but for so long.
bool GatewayFleet::listens(Gateway& gateway) const {
  if (!gateway.is_listening && gateway.book->state() == control::LedgerBook::State::kLost &&
      now_ < gateway.listens_at) {
    return false;
  }
  return gateway.is_listening = true;
}

bool GatewayFleet::is_lost(const Gateway& gateway) const {
  return gateway.banks->ledger() == limit::BankTable::Ledger::kLost;
}

void GatewayFleet::tick(size_t place, uint64_t incarnation) {
  Gateway* const gateway = gateways_[place].get();
  if (gateway == nullptr || gateway->incarnation != incarnation) return;
  gateway->book->tick(gateway->at(mono()));
  gateway->banks->sweep(16, gateway->at(mono()));
  for (const auto& shard : gateway->shards) {
    if (random_.below(3) == 0) shard->limiter.sweep(mono());
  }
  std::erase_if(gateway->waiting, [&](const auto& waiting) {
    if (waiting.until > now_) return false;
    ++result_.refused;
    return true;
  });
  drive(*gateway);
  const int64_t tick_us = std::chrono::duration_cast<microseconds>(plan_.tick).count();
  at(now_ + tick_us + static_cast<int64_t>(random_.below(2000)),
     [this, place, incarnation] { tick(place, incarnation); });
}

void GatewayFleet::drive(Gateway& gateway) {
  if (is_lost(gateway)) gateway.lost_at = now_;
  while (const control::LedgerCall* const call = gateway.book->next_call(gateway.at(mono()))) {
    send(gateway, *call);
  }
  const control::LedgerBook::Shards answered = gateway.book->take_answered();
  if (std::ranges::all_of(answered, [](uint64_t word) { return word == 0; })) return;
  std::deque<Gateway::Waiting> waiting = std::exchange(gateway.waiting, {});
  for (const Gateway::Waiting& request : waiting) {
    admit(gateway, request.amount, request.until);
  }
}

void GatewayFleet::send(Gateway& gateway, const control::LedgerCall& call) {
  const size_t place = gateway.place;
  const uint64_t incarnation = gateway.incarnation;
  const uint32_t lane = call.lane;
  const uint64_t number = ++gateway.sent[lane];
  const auto find = [this, place, incarnation, lane, number]() -> Gateway* {
    Gateway* const found = gateways_[place].get();
    const bool is_same =
        found != nullptr && found->incarnation == incarnation && found->sent[lane] == number;
    return is_same ? found : nullptr;
  };
  at(now_ + kWaitMax.count(), [this, find, lane] {
    Gateway* const found = find();
    if (found == nullptr) return;
    ++found->sent[lane];
    found->book->on_loss(lane, found->at(mono()));
    drive(*found);
  });
  const bool is_odd = plan_.loses_messages && random_.below(50) == 0;
  const auto delay = [this, is_odd] {
    return static_cast<int64_t>(50 + random_.below(is_odd ? 60'000 : 1500));
  };
  if (is_odd && random_.below(2) == 0) return;
  at(now_ + delay(), [this, find, call, place, delay, lane, is_odd, name = gateway.name]() mutable {
    if (is_ledger_down_ || cut_off_.contains(place)) return;
    const control::LedgerReply reply = ledger_.answer(name, call, now_);
    if (reply.answers.size() != call.asks.size()) return;
    int64_t granted = 0;
    for (size_t i = 0; i < reply.answers.size(); ++i) {
      granted += reply.answers[i].granted + call.asks[i].owed + call.asks[i].returned;
    }
    grants_.emplace_back(now_, granted);
    if (is_odd && random_.below(2) == 0) return;
    at(now_ + delay(), [this, find, lane, reply, place] {
      Gateway* const found = find();
      if (found == nullptr || cut_off_.contains(place)) return;
      ++found->sent[lane];
      found->book->on_reply(lane, reply, found->at(mono()));
      drive(*found);
    });
  });
}

// --- requests ----------------------------------------------------------------------------------

void GatewayFleet::arrive(size_t place) {
  const double others = plan_.gateways > 1 ? (1 - plan_.first_share) / (plan_.gateways - 1) : 0;
  const double rate =
      plan_.arrivals *
      (plan_.gateways == 1 || place == 0 ? std::max(plan_.first_share, others) : others);
  const double uniform = (static_cast<double>(random_.below(1'000'000)) + 1) / 1'000'001;
  const double wait_us = -std::log(uniform) / std::max(rate, 0.01) * 1e6;
  // Bursts: a third come together.
  const int64_t next = random_.below(3) == 0 ? now_ : now_ + static_cast<int64_t>(wait_us * 1.5);
  at(next, [this, place] { arrive(place); });
  Gateway* const gateway = gateways_[place].get();
  if (gateway == nullptr || !listens(*gateway)) return;
  Gateway* const heir = heirs_[place].get();
  Gateway& admits = heir != nullptr && random_.below(2) == 0 ? *heir : *gateway;
  admit(admits, static_cast<int64_t>(random_.between(1, plan_.amount_most)),
        now_ + kWaitMax.count());
  gateway->book->look(gateway->at(mono()));
  drive(*gateway);
}

void GatewayFleet::admit(Gateway& gateway, int64_t amount, int64_t waits_until) {
  const size_t index = random_.below(gateway.shards.size());
  Gateway::Shard& shard = *gateway.shards[index];
  limit::Reservation reservation;
  const limit::Decision decision = shard.limiter.admit(
      shard.subjects, {.key = KeyId{}, .tenant = TenantId{0}, .model = ModelId{}},
      {.input_tokens = amount}, mono(), reservation);
  switch (decision.verdict) {
    case Verdict::kGranted: break;
    case Verdict::kAskLedger: gateway.waiting.push_back({index, amount, waits_until}); return;
    default:
      ++result_.refused;
      note_undershoot();
      return;
  }
  if (plan_.rule.measure == LimitMeasure::kConcurrency) {
    const uint64_t request = gateway.next_request++;
    gateway.in_flight.emplace(request, std::move(reservation));
    at(now_ + static_cast<int64_t>(random_.below(kLongestRequest)),
       [this, incarnation = gateway.incarnation, request] {
         Gateway* const found = find(incarnation);
         if (found != nullptr) found->in_flight.erase(request);
       });
  } else {
    shard.limiter.settle(reservation, {.input_tokens = amount}, mono());
  }
  note_admission(gateway, amount);
}

void GatewayFleet::note_admission(Gateway& gateway, int64_t amount) {
  result_.admitted += amount;
  if (is_lost(gateway) || now_ - gateway.lost_at < 100'000) {
    const auto known =
        std::ranges::find(lost_spends_, gateway.identity, &std::pair<uint64_t, int64_t>::first);
    if (known == lost_spends_.end()) {
      lost_spends_.emplace_back(gateway.identity, now_);
    } else {
      known->second = now_;
    }
  }
  if (plan_.rule.measure == LimitMeasure::kConcurrency) return check_concurrent();
  if (plan_.rule.burst > 0) return check_spaced(amount);
  check_intervals(gateway, amount);
}

// --- the promise -------------------------------------------------------------------------------

// What the mode allows beyond the limit, in the interval that ends now.
int64_t GatewayFleet::bound() const {
  const auto most = static_cast<int64_t>(plan_.rule.most);
  const int64_t length = std::chrono::duration_cast<microseconds>(plan_.rule.length).count();
  // What was spent on a day counts all day long.
  const bool is_day = plan_.rule.window == LimitWindow::kDay;
  const int64_t reach = is_day ? now_ % (86'400 * kSecondUs) : length + kSlack;
  int64_t allowed = 0;
  if (failed_over_at_ >= 0 && now_ - failed_over_at_ < reach) allowed += lost_grants_;
  if (plan_.rule.on_loss == config::OnLoss::kDeny) return allowed;
  const auto cut_off = std::ranges::count_if(
      lost_spends_, [&](const auto& spend) { return now_ - spend.second < reach; });
  const int64_t each = plan_.rule.on_loss == config::OnLoss::kShare ? most / plan_.gateways : most;
  return allowed + cut_off * each;
}

void GatewayFleet::check_intervals(Gateway& gateway, int64_t amount) {
  const auto most = static_cast<int64_t>(plan_.rule.most);
  const int64_t length = std::chrono::duration_cast<microseconds>(plan_.rule.length).count();
  constexpr int64_t kDayUs = 86'400 * kSecondUs;
  const bool is_day = plan_.rule.window == LimitWindow::kDay;
  const int64_t from = is_day ? now_ / kDayUs * kDayUs - 1 : now_ - length;
  while (!spends_.empty() && spends_.front().at <= from) {
    spent_ -= spends_.front().amount;
    spends_.pop_front();
  }
  spends_.push_back({now_, amount, gateway.incarnation});
  admitted_.push_back(spends_.back());
  spent_ += amount;
  if (spent_ <= most + bound()) return;
  fail(fmt::format("{} in one window, allowed are {} + {}; the first {} us ago, midnight {} us ago",
                   spent_, most, bound(), now_ - spends_.front().at, now_ % kDayUs));
}

// A leaky bucket over all gateways. Moving parts between them may let the burst come twice, and a
// part is never less than one request.
void GatewayFleet::check_spaced(int64_t amount) {
  const double rate = static_cast<double>(plan_.rule.most) /
                      std::chrono::duration<double, std::micro>(plan_.rule.length).count();
  level_ = std::max(0.0, level_ - static_cast<double>(now_ - level_at_) * rate) +
           static_cast<double>(amount);
  level_at_ = now_;
  const double most = 2.0 * plan_.rule.burst + plan_.gateways + 1;
  if (level_ > most + static_cast<double>(bound())) {
    fail(fmt::format("{} at once, allowed are {}", level_, most));
  }
}

// What was in flight at gateways when they were cut off may go on there.
void GatewayFleet::check_concurrent() {
  int64_t sum = 0;
  for (const auto* list : {&gateways_, &heirs_, &leaving_}) {
    for (const auto& gateway : *list) {
      if (gateway == nullptr) continue;
      const bool was_lost = now_ - gateway->lost_at < kLongestRequest + 12 * kSecondUs;
      if (!was_lost) sum += static_cast<int64_t>(gateway->in_flight.size());
    }
  }
  const auto most = static_cast<int64_t>(plan_.rule.most);
  if (sum > most) fail(fmt::format("{} in flight, allowed are {}", sum, most));
}

void GatewayFleet::note_undershoot() {
  const bool is_measured = plan_.rule.measure == LimitMeasure::kRequests && plan_.rule.burst == 0 &&
                           plan_.rule.window == LimitWindow::kRolling &&
                           plan_.fault == Fault::kNone && !plan_.loses_messages &&
                           plan_.rule.length >= seconds(60);
  const int64_t length = std::chrono::duration_cast<microseconds>(plan_.rule.length).count();
  if (!is_measured || now_ - undershoot_at_ < length) return;
  undershoot_at_ = now_;
  // What counts for two slots longer than its window is no undershoot of the split.
  const int64_t reach = length + 2 * (length / control::Ledger::kSlotsPerLength);
  int64_t sum = 0;
  for (const Spend& spend : admitted_) sum += now_ - spend.at <= reach ? spend.amount : 0;
  const auto most = static_cast<double>(plan_.rule.most);
  result_.undershoots.push_back(std::max(0.0, (most - static_cast<double>(sum)) / most));
}

// --- faults ------------------------------------------------------------------------------------

void GatewayFleet::plan_faults() {
  const int64_t length = std::chrono::duration_cast<microseconds>(plan_.length).count();
  const auto moment = [&] {
    return now_ + 4 * kSecondUs +
           static_cast<int64_t>(random_.below(static_cast<uint64_t>(length - 4 * kSecondUs)));
  };
  const auto pause = [&] {
    return static_cast<int64_t>(random_.below(static_cast<uint64_t>(length / 4)));
  };
  for (uint32_t i = 0; i < plan_.upgrades; ++i) {
    const size_t place = random_.below(plan_.gateways);
    at(moment(), [this, place] { upgrade(place); });
  }
  switch (plan_.fault) {
    case Fault::kNone: return;
    case Fault::kPartition:
      for (uint64_t i = random_.between(1, plan_.gateways); i > 0; --i) {
        const size_t place = random_.below(plan_.gateways);
        const int64_t begin = moment();
        at(begin, [this, place] { cut_off_.insert(place); });
        at(begin + pause(), [this, place] { cut_off_.erase(place); });
      }
      return;
    case Fault::kKill:
      for (uint64_t i = random_.between(1, 5); i > 0; --i) {
        const size_t place = random_.below(plan_.gateways);
        const int64_t begin = moment();
        at(begin, [this, place] { kill(place); });
        at(begin + pause(), [this, place] {
          if (gateways_[place] == nullptr) start(place);
        });
      }
      return;
    case Fault::kRestart: {
      const int64_t begin = moment();
      at(begin, [this] {
        is_ledger_down_ = true;
        ledger_ = {};
      });
      at(begin + static_cast<int64_t>(random_.below(2)) * pause(),
         [this] { is_ledger_down_ = false; });
      return;
    }
    case Fault::kFailover: {
      const int64_t begin = moment();
      const auto lag = static_cast<int64_t>(random_.below(500'000));
      at(begin - lag, [this] { replica_ = ledger_; });
      at(begin, [this, lag] {
        is_ledger_down_ = true;
        ledger_ = replica_;
        for (const auto& [time, granted] : grants_) {
          if (time >= now_ - lag) lost_grants_ += granted;
        }
        failed_over_at_ = now_;
      });
      at(begin + static_cast<int64_t>(random_.below(2)) * pause(), [this] {
        is_ledger_down_ = false;
        failed_over_at_ = now_;
      });
      return;
    }
  }
}

}  // namespace sluice::sim
