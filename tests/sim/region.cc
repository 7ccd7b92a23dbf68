#include "region.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "drawer.h"
#include "gateway_parts.h"
#include "http2_client.h"
#include "scene_config.h"

namespace sluice::sim {

using support::Prng;
using support::SimWorld;

namespace {

// With a ledger nobody comes before all gateways have found it.
Duration opening_of(const RegionPlan& plan) {
  return plan.has_ledger ? seconds(3) : milliseconds(20);
}

support::SimOptions options_of(const RegionPlan& plan) {
  seed_random_numbers(plan.seed);
  return {.seed = plan.seed, .faults = plan.faults};
}

}  // namespace

Region::Region(const RegionPlan& plan)
    : plan_(plan),
      world_(options_of(plan)),
      threads_(world_),
      prng_(plan.seed * 2 + 1),
      lines_(plan.gateways),
      peers_(plan.upstreams),
      places_most_(plan.upstreams, 1) {
  if (plan.has_ledger && plan.is_hostile && plan.has(Part::kLedgerFaults) && prng_.chance(300)) {
    ledger_site_.loses_per_mille = 20;
    ledger_site_.was_ever_lost = true;
  }
  threads_.when_stepped = [this] { look(); };
  start_upstreams();
  for (size_t i = 0; i < lines_.size(); ++i) {
    const std::string ip = "10.0.0." + std::to_string(i + 1);
    lines_[i].address = support::sim_address(ip.c_str(), 8080);
    lines_[i].config = plan_.config(generation_);
    start_line(lines_[i]);
  }
  start_clients();
  plan_interventions();
  plan_outages();
}

Region::~Region() = default;

void Region::start_upstreams() {
  for (uint32_t i = 0; i < plan_.upstreams; ++i) {
    const bool is_absent = prng_.chance(100);
    const bool is_hole = prng_.chance(30);
    const bool fails = plan_.is_hostile && plan_.has(Part::kUpstreams) && i > 0;
    if (fails && is_absent) continue;
    world_.serve(upstream_address(i), [this, i]() -> support::SimPeer& {
      auto& peer = world_.adopt<ProviderPeer>(
          playbook_, [this, i](ProviderPeer& asked) { on_request(i, asked); });
      peers_[i].push_back(&peer);
      return peer;
    });
    if (fails && is_hole) world_.net().make_black_hole(upstream_address(i));
  }
}

void Region::start_line(Line& line) {
  note_config(line.config);
  SimLedger* ledger = nullptr;
  if (plan_.has_ledger) {
    const std::string name = "gateway-" + std::to_string(++gateways_ever_);
    line.ledgers.push_back(std::make_unique<SimLedger>(world_, ledger_site_, name));
    ledger = line.ledgers.back().get();
  }
  const int banks = line.gateways.empty() ? -1 : ::dup(line.gateways.back()->share_banks());
  line.gateways.push_back(
      std::make_unique<Gateway>(world_, threads_,
                                GatewayOptions{.shards = plan_.shards,
                                               .address = line.address,
                                               .config = line.config,
                                               .budget_bytes = plan_.budget_bytes,
                                               .buffers = plan_.buffers,
                                               .ledger = ledger,
                                               .gateways = plan_.gateways,
                                               .resolver = &resolver_,
                                               .banks_fd = banks}));
}

// --- clients -----------------------------------------------------------------------------------

void Region::start_clients() {
  conversations_.resize(plan_.clients);
  for (size_t i = 0; i < plan_.clients; ++i) start_client(i);
  world_.set_peer_window(64 * 1024);
}

ClientPlan Region::plan_client(size_t number) {
  // Of its own, so that a client asks the same whoever else is there.
  Prng random(plan_.seed * 1009 + number);
  Drawer drawer(random, playbook_, plan_.is_hostile, plan_.has_text);
  ClientPlan plan = drawer.client(number);
  plan_leaving(plan, random);
  if (!plan_.has(Part::kUpstreams)) {
    for (const Request& request : plan.requests) {
      const auto script = playbook_.find(request.tag);
      if (script == playbook_.end()) continue;
      for (AttemptScript& attempt : script->second.attempts) {
        attempt.fault = Fault::kNone;
        attempt.is_stray = false;
      }
    }
  }
  return plan;
}

void Region::plan_leaving(ClientPlan& plan, Prng& random) {
  const bool leaves = random.chance(150);
  const size_t at = random.below(random.chance(500) ? 600 : 20'000);
  if (plan_.is_hostile && leaves) {
    plan.leaves_at = at;
    plan.leaves_by_reset = random.chance(500);
  }
  if (plan_.has(Part::kLeaving)) return;
  plan.leaves.reset();
  plan.leaves_at.reset();
  plan.stall_for = Duration::zero();
}

void Region::start_client(size_t number) {
  Conversation& conversation = conversations_[number];
  ClientPlan plan = plan_client(number);
  Prng random(plan_.seed * 2003 + number);
  const bool picks_http2 = random.chance(650);
  conversation.speaks_http2 = plan_.is_secured && picks_http2 && plan_.has(Part::kHttp2);
  const Duration begin = opening_of(plan_) + microseconds(random.below(1'500'000));
  const net::Address address = lines_[random.below(lines_.size())].address;
  world_.set_peer_window(
      static_cast<uint32_t>(random.chance(300) ? random.between(512, 4096) : 64 * 1024));
  if (!conversation.speaks_http2) {
    conversation.is_slow = plan.stall_for > Duration::zero();
    auto& client = world_.connect<Client>(address, begin, std::move(plan));
    if (plan_.is_secured) client.set_layer(make_client_layer(""));
    conversation.caller = &client;
  } else {
    Http2Plan http2{.client = std::move(plan)};
    ClientPlan& inner = http2.client;
    std::erase_if(inner.requests, [](const Request& request) { return request.tag.empty(); });
    if (random.chance(700)) inner.depth = random.between(2, 6);
    http2.window = static_cast<uint32_t>(random.chance(300) ? random.between(1, 2000)
                                                            : random.between(16'000, 65'535));
    if (random.chance(300)) http2.consumes_after = microseconds(random.below(30'000));
    if (random.chance(300)) {
      http2.upload_bytes = random.between(100, 5000);
      http2.upload_pause = microseconds(random.below(20'000));
    }
    if (random.chance(300)) http2.pings_every = milliseconds(random.between(5, 500));
    const bool resets = random.chance(300) && plan_.is_hostile && plan_.has(Part::kLeaving);
    for (size_t i = 0; resets && i < inner.requests.size(); ++i) {
      http2.resets.emplace_back();
      if (random.chance(500)) http2.resets.back() = microseconds(random.below(50'000));
    }
    conversation.is_slow = inner.stall_for > Duration::zero() ||
                           http2.consumes_after > Duration::zero() || http2.window < 16'000;
    auto& client = world_.connect<Http2Client>(address, begin, std::move(http2));
    client.set_layer(make_client_layer("h2"));
    conversation.caller = &client;
  }
  conversation.watches.resize(conversation.caller->size());
  conversation.caller->when_sent = [this, number](size_t index) { on_sent(number, index); };
  conversation.caller->when_heard = [this, number](size_t index) { on_heard(number, index); };
}

// --- what befalls it ---------------------------------------------------------------------------

void Region::reload(Line& line) {
  line.config = plan_.config(++generation_);
  note_config(line.config);
  note("reload");
  line.gateways.back()->reload(line.config);
}

void Region::upgrade(Line& line) {
  // One at a time: a successor that drains hands over to nobody.
  if (line.gateways.back()->is_draining() || line.gateways.size() > 3) return;
  Gateway& old = *line.gateways.back();
  note("upgrade");
  ++figures_.upgrades;
  old.hand_over(microseconds(prng_.below(3'000'000)));
  start_line(line);
}

void Region::plan_interventions() {
  Prng random = prng_.fork();
  const auto moment = [&] {
    return opening_of(plan_) +
           microseconds(random.below(random.chance(300) ? 8'000'000 : 2'000'000));
  };
  for (Line& line : lines_) {
    for (uint64_t reloads = random.below(4); reloads > 0; --reloads) {
      const Duration when = moment();
      if (plan_.has(Part::kReloads)) world_.after(when, [this, &line] { reload(line); });
    }
    const bool is_upgraded = random.chance(250);
    for (uint64_t upgrades = random.between(1, 2); upgrades > 0; --upgrades) {
      const Duration when = moment();
      if (is_upgraded && plan_.is_hostile && plan_.has(Part::kUpgrades)) {
        world_.after(when, [this, &line] { upgrade(line); });
      }
    }
    const bool drains = random.chance(200);
    const Duration when = moment();
    const Duration timeout = microseconds(random.below(random.chance(500) ? 100'000 : 5'000'000));
    if (drains && plan_.is_hostile && plan_.has(Part::kDrains)) {
      world_.after(when, [this, &line, timeout] {
        note("drain");
        line.gateways.back()->drain(timeout);
      });
    }
  }
}

void Region::plan_outages() {
  Prng random = prng_.fork();
  const auto window = [&](std::function<void(bool)> set) {
    const Duration begin = opening_of(plan_) + microseconds(random.below(3'000'000));
    const Duration end =
        begin + microseconds(random.below(random.chance(500) ? 300'000 : 9'000'000));
    world_.after(begin, [set] { set(true); });
    world_.after(end, [set] { set(false); });
  };
  if (plan_.has_ledger && plan_.is_hostile && plan_.has(Part::kLedgerFaults)) {
    if (random.chance(300)) {
      window([this](bool begins) {
        note(begins ? "the ledger is down" : "the ledger is back");
        ledger_site_.was_ever_lost = true;
        ledger_site_.is_down = begins;
      });
    }
    if (random.chance(300)) {
      const std::string name = "gateway-" + std::to_string(random.between(1, plan_.gateways));
      window([this, name](bool begins) {
        note(name + (begins ? " is cut off" : " is no longer cut off"));
        ledger_site_.was_ever_lost = true;
        begins ? (void)ledger_site_.cut_off.insert(name) : (void)ledger_site_.cut_off.erase(name);
      });
    }
    if (random.chance(150)) {
      world_.after(opening_of(plan_) + microseconds(random.below(3'000'000)), [this] {
        note("the ledger has forgotten everything");
        ledger_site_.was_ever_lost = true;
        ledger_site_.model = {};
      });
    }
  }
  if (plan_.has_names && random.chance(500)) {
    window([this](bool begins) {
      note(begins ? "names fail" : "names are found again");
      resolver_.fails = begins && plan_.is_hostile;
    });
  }
}

// --- the play ----------------------------------------------------------------------------------

void Region::play() {
  run_until([this] {
    return std::ranges::all_of(conversations_,
                               [](const Conversation& each) { return each.caller->has_gone(); });
  });
  if (!has_failed_) settle_down();
  if (!has_failed_) end_gateways();
  if (!has_failed_) check_conversations();
  figures_.steps = threads_.steps();
}

// Every exchange ends within its time, also those whose client is gone.
void Region::settle_down() {
  const auto is_quiet = [this] {
    return std::ranges::all_of(lines_, [](const Line& line) {
      return std::ranges::all_of(line.gateways,
                                 [](const auto& gateway) { return gateway->connections() == 0; });
    });
  };
  const MonoTime latest = world_.clock().now() + kAftermath;
  world_.at(latest + seconds(1), [] {});  // Time passes although nobody may be left.
  run_until([&] { return is_quiet() || world_.clock().now() > latest; });
  if (!has_failed_ && !is_quiet())
    return fail("connections are served after every client has gone");
  // What is cancelled ends, idle connections close, a line of requests forgets.
  const MonoTime end = world_.clock().now() + seconds(5);
  world_.at(end, [] {});
  run_until([&] { return world_.clock().now() >= end; });
  if (has_failed_) return;
  for (const Line& line : lines_) {
    for (const auto& gateway : line.gateways) gateway->expect_idle();
  }
}

void Region::run_until(const std::function<bool()>& is_done) {
  const auto is_over = [&] { return has_failed_ || is_done(); };
  if (!threads_.run_until(is_over, kStepsMax)) has_failed_ = true;
}

void Region::end_gateways() {
  for (const Line& line : lines_) {
    for (const auto& gateway : line.gateways) gateway->drain(seconds(1));
  }
  run_until([this] {
    return std::ranges::all_of(lines_, [](const Line& line) {
      return std::ranges::all_of(line.gateways,
                                 [](const auto& gateway) { return gateway->has_ended(); });
    });
  });
  if (has_failed_) return;
  look();
  for (const Line& line : lines_) {
    for (const auto& gateway : line.gateways) gateway->expect_nothing_left();
  }
}

}  // namespace sluice::sim
