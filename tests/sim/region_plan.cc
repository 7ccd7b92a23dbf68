#include "region_plan.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "scene_config.h"

namespace sluice::sim {
namespace {

using support::FaultPlan;
using support::Prng;

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// Takes whole lines out.
void drop_lines(std::string& text, std::string_view beginning) {
  for (size_t at = text.find(beginning); at != std::string::npos; at = text.find(beginning)) {
    text.erase(at, text.find('\n', at) + 1 - at);
  }
}

constexpr std::array<std::string_view, 3> kOnLossNames{"share", "local", "deny"};

}  // namespace

RegionPlan RegionPlan::of_seed(uint64_t seed, uint32_t without, uint32_t clients_most) {
  Prng random(seed * 7919 + 17);
  RegionPlan plan{.seed = seed, .without = without, .clients_most = clients_most};
  plan.is_hostile = !random.chance(150);
  plan.is_secured = random.chance(550) && plan.has(Part::kTls);
  plan.has_text = !random.chance(250);
  plan.gateways = static_cast<uint32_t>(random.between(1, 2));
  plan.shards = static_cast<uint32_t>(random.between(2, 3));
  plan.upstreams = static_cast<uint32_t>(random.between(1, 3));
  plan.clients = static_cast<uint32_t>(random.between(3, 16));
  const bool has_ledger = random.chance(plan.gateways > 1 ? 700 : 350);
  const bool has_names = random.chance(300);
  const bool has_requests = random.chance(400);
  const bool has_concurrency = random.chance(400);
  const uint64_t requests = random.between(2, 40);
  const uint64_t concurrency = random.between(1, 6);
  plan.on_loss = static_cast<config::OnLoss>(random.below(3));
  if (random.chance(300)) plan.buffers.most = 64;
  if (random.chance(50) && plan.is_hostile) plan.budget_bytes = 300'000;
  Prng of_faults = random.fork();
  plan.faults = plan.is_hostile ? FaultPlan::hostile(of_faults) : FaultPlan::rough(of_faults);
  if (!plan.has(Part::kNetwork)) plan.faults = {};
  // In rough worlds everybody is served.
  if (plan.is_hostile && plan.has(Part::kLimits)) {
    if (has_requests) plan.requests_per_minute = static_cast<uint32_t>(requests);
    if (has_concurrency) plan.concurrency = static_cast<uint32_t>(concurrency);
  }
  plan.has_ledger = has_ledger && plan.has(Part::kLedger);
  plan.has_names = has_names && plan.has(Part::kNames);
  if (clients_most != 0) plan.clients = std::min(plan.clients, clients_most);
  return plan;
}

std::string RegionPlan::config(uint32_t generation) const {
  Prng random(seed * 131 + generation * 7 + 3);
  std::string text = scene_config(random, upstreams, is_hostile, false, has_text);
  if (is_secured) {
    text = "tls: {certificates: [{certificate: leaf.pem, key: leaf.key}]}\n" + text;
  }
  for (uint32_t i = 0; has_names && i < upstreams; ++i) {
    replace_all(text, "http://10.0.1." + std::to_string(i + 1) + ":",
                "http://u" + std::to_string(i) + ".test:");
  }
  if (!has(Part::kHedging)) {
    for (const char* line : {"    hedge:", "    recovery:", "    fallbacks:"}) {
      drop_lines(text, line);
    }
    replace_all(text, "attempts: 2", "attempts: 1");
    replace_all(text, "attempts: 3", "attempts: 1");
  }
  // A limit of an upstream does not wait for the ledger's first answer; there, everybody is served.
  if (has_ledger && !is_hostile) drop_lines(text, "  - {name: of-upstream,");
  if (requests_per_minute == 0 && concurrency == 0) return text;
  if (text.find("rate_limits:\n") == std::string::npos) text += "rate_limits:\n";
  const std::string end =
      ", on_loss: " + std::string(kOnLossNames[static_cast<size_t>(on_loss)]) + "}\n";
  if (requests_per_minute != 0) {
    text += "  - {name: counted, per: gateway, requests_per_minute: " +
            std::to_string(requests_per_minute) + end;
  }
  if (concurrency != 0) {
    text += "  - {name: at-once, per: gateway, concurrency: " + std::to_string(concurrency) + end;
  }
  return text;
}

std::string RegionPlan::command() const {
  std::string text = "tools/simulate --seeds " + std::to_string(seed);
  std::string parts;
  for (size_t i = 0; i < std::size(kPartNames); ++i) {
    if ((without >> i & 1) != 0) parts += (parts.empty() ? "" : ",") + std::string(kPartNames[i]);
  }
  if (!parts.empty()) text += " --without " + parts;
  if (clients_most != 0) text += " --clients " + std::to_string(clients_most);
  return text;
}

std::string RegionPlan::describe() const {
  std::string text = is_hostile ? "hostile" : "rough";
  text += ", " + std::to_string(gateways) + " gateways of " + std::to_string(shards) + " shards, " +
          std::to_string(upstreams) + " upstreams, " + std::to_string(clients) + " clients";
  if (is_secured) text += ", TLS";
  if (has_ledger) text += ", a ledger";
  if (has_names) text += ", names";
  if (requests_per_minute != 0) {
    text += ", " + std::to_string(requests_per_minute) + " requests a minute";
  }
  if (concurrency != 0) text += ", " + std::to_string(concurrency) + " at once";
  return text;
}

}  // namespace sluice::sim
