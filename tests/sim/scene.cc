#include "scene.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

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

std::string chunked(Prng& prng, const std::string& body) {
  std::string wire;
  for (size_t at = 0; at < body.size();) {
    const size_t count = std::min<size_t>(body.size() - at, prng.between(1, 700));
    char size[32];
    std::snprintf(size, sizeof size, prng.chance(100) ? "%zx;a=b\r\n" : "%zX\r\n", count);
    wire += size + body.substr(at, count) + "\r\n";
    at += count;
  }
  return wire + (prng.chance(100) ? "0\r\nx-trailer: 1\r\n\r\n" : "0\r\n\r\n");
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
  for (size_t i = 0; i < count; ++i) {
    ClientPlan plan = plan_client(i);
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

ClientPlan Scene::plan_client(size_t number) {
  ClientPlan plan;
  const size_t requests = prng_.between(1, 5);
  plan.depth = chance(300) ? prng_.between(2, 4) : 1;
  for (size_t i = 0; i < requests; ++i) {
    const std::string tag = "c" + std::to_string(number) + "r" + std::to_string(i);
    const bool is_refused = is_hostile() && chance(150);
    plan.requests.push_back(is_refused ? plan_refused(tag) : plan_request(tag, plan.depth > 1));
    if (chance(300) && plan.depth == 1) {
      plan.requests.back().think_time = microseconds(prng_.below(300'000));
    }
  }
  if (is_hostile() && chance(250)) {
    plan.leaves = microseconds(prng_.below(chance(500) ? 5'000 : 400'000));
    plan.leaves_by_reset = chance(500);
  }
  if (chance(200)) {
    plan.stall_every = microseconds(prng_.between(100, 20'000));
    plan.stall_for = microseconds(prng_.between(100, is_hostile() ? 9'000'000 : 100'000));
  }
  return plan;
}

Request Scene::plan_request(const std::string& tag, bool is_pipelined) {
  Request request{.tag = tag};
  std::string fields = "host: sluice\r\nx-request-id: " + tag + "\r\n";
  if (chance(80)) {
    const bool is_head = chance(300);
    request.is_head = is_head;
    request.head =
        (is_head ? "HEAD" : "GET") + std::string(" /v1/models HTTP/1.1\r\n") + fields + "\r\n";
    request.status = 200;
    return request;
  }
  const bool is_event_stream = chance(500);
  const bool is_embedding = !is_event_stream && chance(200);
  std::string json =
      "{\"model\":\"" + std::string(chance(300) ? "other" : "m") + "\",\"user\":\"" + tag + "\"";
  if (is_event_stream) {
    json += ",\"stream\":true";
    request.hears_usage = chance(300);
    if (request.hears_usage) json += ",\"stream_options\":{\"include_usage\":true}";
  }
  json += ",\"messages\":\"" + std::string(prng_.below(chance(100) ? 60'000 : 600), 'p') + "\"}";
  if (chance(200)) fields += "x-sluice-priority: " + std::to_string(prng_.below(3)) + "\r\n";
  const std::string_view path = is_embedding ? "/v1/embeddings" : "/v1/chat/completions";
  std::string head = "POST " + std::string(path) + " HTTP/1.1\r\n" + fields;
  playbook_[tag] = plan_script(tag, is_event_stream);
  write_body(request, std::move(head), json, is_pipelined);
  return request;
}

void Scene::write_body(Request& request, std::string head, const std::string& json,
                       bool is_pipelined) {
  if (!is_pipelined && chance(150)) {
    head += "expect: 100-continue\r\n";
    request.awaits_continue = true;
  }
  if (chance(250)) {
    head += "transfer-encoding: chunked\r\n";
    request.body = chunked(prng_, json);
  } else {
    head += "content-length: " + std::to_string(json.size()) + "\r\n";
    request.body = json;
  }
  request.head = head + "\r\n";
}

Request Scene::plan_refused(const std::string& tag) {
  Request request{.tag = tag};
  const std::string fields = "host: sluice\r\nx-request-id: " + tag + "\r\n";
  const auto post = [&](std::string_view path, const std::string& body, uint16_t status) {
    request.head = "POST " + std::string(path) + " HTTP/1.1\r\n" + fields +
                   "content-length: " + std::to_string(body.size()) + "\r\n\r\n";
    request.body = body;
    request.status = status;
  };
  switch (prng_.below(6)) {
    case 0: post("/v1/chat/completions", "{\"model\":\"unknown\"}", 404); break;
    case 1: post("/v1/chat/completions", "{\"model\":", 400); break;
    case 2: post("/v1/nothing", "{}", 404); break;
    case 3: post("/v1/models", "{}", 405); break;
    case 4:
      request.head = "POST /v1/chat/completions HTTP/1.1\r\n" + fields + "\r\n";
      request.status = 400;
      break;
    default:
      request.tag.clear();
      request.head = "GET /v1/models HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n";
      request.status = 400;
  }
  return request;
}

Script Scene::plan_script(const std::string& tag, bool is_event_stream) {
  Script script{.is_event_stream = is_event_stream};
  if (is_event_stream) {
    const size_t events = chance(100) ? prng_.between(60, 300) : prng_.between(0, 20);
    const char* line_end = chance(100) ? "\r\n" : "\n";
    for (size_t i = 0; i < events; ++i) {
      const std::string text(prng_.between(1, chance(20) ? 20'000 : 60), 'x');
      const std::string choice = has_text_
                                     ? "{\"index\":0,\"delta\":{\"content\":\"" + text + "\"}}"
                                     : "{\"n\":" + std::to_string(i) + ",\"t\":\"" + text + "\"}";
      script.pieces.push_back("data: {\"id\":\"" + tag + "\",\"choices\":[" + choice + "]}" +
                              line_end + line_end);
    }
    script.pieces.push_back(std::string("data: [DONE]") + line_end + line_end);
    script.usage_event = "data: {\"id\":\"" + tag +
                         "\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,"
                         "\"completion_tokens\":4,\"total_tokens\":7}}" +
                         line_end + line_end;
  } else {
    const size_t length = prng_.below(chance(100) ? 150'000 : 800);
    script.pieces.push_back("{\"id\":\"" + tag + "\",\"text\":\"" + std::string(length / 2, 'a'));
    script.pieces.push_back(std::string(length / 2, 'b') + "\",\"usage\":{\"prompt_tokens\":3}}");
  }
  const size_t bytes = script.payload(false).size();
  for (size_t i = 0; i < 3; ++i) script.attempts.push_back(plan_attempt(is_event_stream, bytes));
  return script;
}

AttemptScript Scene::plan_attempt(bool is_event_stream, size_t payload_bytes) {
  AttemptScript attempt;
  attempt.framing = is_event_stream || chance(400) ? Framing::kChunked : Framing::kLength;
  if (chance(100)) attempt.framing = Framing::kUntilClose;
  if (chance(300)) attempt.chunk_bytes = prng_.between(1, 40);
  attempt.head_delay = microseconds(prng_.below(chance(100) ? 200'000 : 3'000));
  attempt.piece_delay = microseconds(chance(300) ? 0 : prng_.below(4'000));
  attempt.closes = chance(100);
  if (!is_hostile()) return attempt;
  attempt.is_stray = chance(50);
  if (!chance(350)) return attempt;
  attempt.fault = static_cast<Fault>(prng_.between(1, 9));
  attempt.broken_at = prng_.below(payload_bytes);
  if (attempt.fault == Fault::kBadChunk) attempt.framing = Framing::kChunked;
  return attempt;
}

}  // namespace sluice::sim
