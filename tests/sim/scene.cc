#include "scene.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "drawer.h"
#include "scene_config.h"

namespace sluice::sim {
namespace {

using support::FaultPlan;
using support::Prng;

// Else nothing in the streams counts as content, and none can be resumed.
bool has_text(uint64_t seed) { return seed % 4 != 0; }

ShardOptions options_of(uint64_t seed, Weather weather, uint32_t upstreams, bool is_secured) {
  Prng prng(seed ^ 0x5ca1ab1e);
  const bool is_hostile = weather == Weather::kHostile;
  ShardOptions options{
      .world = {.seed = seed,
                .faults = is_hostile ? FaultPlan::hostile(prng) : FaultPlan::rough(prng)},
      .config = scene_config(prng, upstreams, is_hostile, is_secured, has_text(seed)),
      .is_secured = is_secured};
  options.buffers = {.hot = 64, .most = prng.chance(300) ? 64u : 256u};
  if (is_hostile && prng.chance(50))
    options.budget_bytes = 300'000;  // Refusals for want of memory.
  return options;
}

}  // namespace

Scene::Scene(uint64_t seed, Weather weather, bool is_secured)
    : weather_(weather),
      is_secured_(is_secured),
      has_text_(has_text(seed)),
      prng_(seed * 2 + 1),
      upstreams_(static_cast<uint32_t>(prng_.between(1, 3))),
      shard_(options_of(seed, weather, upstreams_, is_secured)) {
  start_upstreams();
  start_clients();
  plan_interventions();
}

void Scene::start_upstreams() {
  for (uint32_t i = 0; i < upstreams_; ++i) {
    // Now and then nobody listens there.
    if (is_hostile() && i > 0 && chance(100)) continue;
    start_provider(shard_.world(), upstream_address(i), playbook_);
    if (is_hostile() && chance(30)) shard_.world().net().make_black_hole(upstream_address(i));
  }
}

void Scene::start_clients() {
  const size_t count = prng_.between(1, 10);
  Drawer drawer(prng_, playbook_, is_hostile(), has_text_);
  for (size_t i = 0; i < count; ++i) {
    ClientPlan plan = drawer.client(i);
    shard_.world().set_peer_window(
        static_cast<uint32_t>(chance(300) ? prng_.between(512, 4096) : 64 * 1024));
    clients_.push_back(&shard_.world().connect<Client>(
        ShardWorld::address(), microseconds(prng_.below(20'000)), std::move(plan)));
  }
  shard_.world().set_peer_window(64 * 1024);
}

void Scene::plan_interventions() {
  support::SimWorld& world = shard_.world();
  for (uint64_t reloads = prng_.below(3); reloads > 0; --reloads) {
    world.after(microseconds(prng_.below(60'000)), [this] {
      if (!drains_early_)
        shard_.adopt(scene_config(prng_, upstreams_, is_hostile(), is_secured_, has_text_));
    });
  }
  if (!is_hostile() || !chance(300)) return;
  const Duration drain = microseconds(prng_.below(100'000));
  world.after(drain, [this] {
    drains_early_ = true;
    shard_.begin_drain();
  });
  const Duration cut = drain + microseconds(prng_.below(chance(500) ? 50'000 : 5'000'000));
  world.after(cut, [this] { shard_.cut_streams(); });
  world.after(cut + microseconds(prng_.below(2'000'000)), [this] { shard_.kill_streams(); });
}

}  // namespace sluice::sim
