#include "drawer.h"

#include <algorithm>
#include <cstdio>

namespace sluice::sim {
namespace {

using support::Prng;

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

// Says at each byte whose it is and where.
std::string text_of(const std::string& tag, size_t piece, size_t length) {
  std::string text;
  while (text.size() < length) {
    text += tag + '.' + std::to_string(piece) + '.' + std::to_string(text.size()) + ' ';
  }
  text.resize(length);
  return text;
}

}  // namespace

ClientPlan Drawer::client(size_t number) {
  ClientPlan plan;
  const size_t requests = random_.between(1, 5);
  plan.depth = chance(300) ? random_.between(2, 4) : 1;
  for (size_t i = 0; i < requests; ++i) {
    const std::string tag = "c" + std::to_string(number) + "r" + std::to_string(i);
    const bool is_refused = is_hostile_ && chance(150);
    plan.requests.push_back(is_refused ? refused(tag) : request(tag, plan.depth > 1));
    if (chance(300) && plan.depth == 1) {
      plan.requests.back().think_time = microseconds(random_.below(300'000));
    }
  }
  if (is_hostile_ && chance(250)) {
    plan.leaves = microseconds(random_.below(chance(500) ? 5'000 : 400'000));
    plan.leaves_by_reset = chance(500);
  }
  if (chance(200)) {
    plan.stall_every = microseconds(random_.between(100, 20'000));
    plan.stall_for = microseconds(random_.between(100, is_hostile_ ? 9'000'000 : 100'000));
  }
  return plan;
}

Request Drawer::request(const std::string& tag, bool is_pipelined) {
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
  json += ",\"messages\":\"" + std::string(random_.below(chance(100) ? 60'000 : 600), 'p') + "\"}";
  if (chance(200)) fields += "x-sluice-priority: " + std::to_string(random_.below(3)) + "\r\n";
  const std::string_view path = is_embedding ? "/v1/embeddings" : "/v1/chat/completions";
  std::string head = "POST " + std::string(path) + " HTTP/1.1\r\n" + fields;
  playbook_[tag] = script(tag, is_event_stream);
  write_body(request, std::move(head), json, is_pipelined);
  return request;
}

void Drawer::write_body(Request& request, std::string head, const std::string& json,
                        bool is_pipelined) {
  request.payload = json;
  if (!is_pipelined && chance(150)) {
    head += "expect: 100-continue\r\n";
    request.awaits_continue = true;
  }
  if (chance(250)) {
    head += "transfer-encoding: chunked\r\n";
    request.body = chunked(random_, json);
  } else {
    head += "content-length: " + std::to_string(json.size()) + "\r\n";
    request.body = json;
  }
  request.head = head + "\r\n";
}

Request Drawer::refused(const std::string& tag) {
  Request request{.tag = tag};
  const std::string fields = "host: sluice\r\nx-request-id: " + tag + "\r\n";
  const auto post = [&](std::string_view path, const std::string& body, uint16_t status) {
    request.payload = body;
    request.head = "POST " + std::string(path) + " HTTP/1.1\r\n" + fields +
                   "content-length: " + std::to_string(body.size()) + "\r\n\r\n";
    request.body = body;
    request.status = status;
  };
  switch (random_.below(6)) {
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

Script Drawer::script(const std::string& tag, bool is_event_stream) {
  Script script{.is_event_stream = is_event_stream};
  uint64_t mark = 0;
  for (const char letter : tag) mark = mark * 31 + static_cast<uint8_t>(letter);
  script.prompt_tokens = 1 + mark % 997;
  script.completion_tokens = 1 + mark % 89;
  const std::string usage =
      "{\"prompt_tokens\":" + std::to_string(script.prompt_tokens) +
      ",\"completion_tokens\":" + std::to_string(script.completion_tokens) +
      ",\"total_tokens\":" + std::to_string(script.prompt_tokens + script.completion_tokens) + "}";
  if (is_event_stream) {
    const size_t events = chance(100) ? random_.between(60, 300) : random_.between(0, 20);
    const char* line_end = chance(100) ? "\r\n" : "\n";
    for (size_t i = 0; i < events; ++i) {
      const std::string text = text_of(tag, i, random_.between(1, chance(20) ? 20'000 : 60));
      const std::string choice = has_text_
                                     ? "{\"index\":0,\"delta\":{\"content\":\"" + text + "\"}}"
                                     : "{\"n\":" + std::to_string(i) + ",\"t\":\"" + text + "\"}";
      script.pieces.push_back("data: {\"id\":\"" + tag + "\",\"choices\":[" + choice + "]}" +
                              line_end + line_end);
    }
    script.pieces.push_back(std::string("data: [DONE]") + line_end + line_end);
    script.usage_event = "data: {\"id\":\"" + tag + "\",\"choices\":[],\"usage\":" + usage + "}" +
                         line_end + line_end;
  } else {
    const size_t length = random_.below(chance(100) ? 150'000 : 800);
    script.pieces.push_back("{\"id\":\"" + tag + "\",\"text\":\"" + text_of(tag, 0, length / 2));
    script.pieces.push_back(text_of(tag, 1, length / 2) + "\",\"usage\":" + usage + "}");
  }
  const size_t bytes = script.payload(false).size();
  for (size_t i = 0; i < 3; ++i) script.attempts.push_back(attempt(is_event_stream, bytes));
  return script;
}

AttemptScript Drawer::attempt(bool is_event_stream, size_t payload_bytes) {
  AttemptScript attempt;
  attempt.framing = is_event_stream || chance(400) ? Framing::kChunked : Framing::kLength;
  if (chance(100)) attempt.framing = Framing::kUntilClose;
  if (chance(300)) attempt.chunk_bytes = random_.between(1, 40);
  attempt.head_delay = microseconds(random_.below(chance(100) ? 200'000 : 3'000));
  attempt.piece_delay = microseconds(chance(300) ? 0 : random_.below(4'000));
  attempt.closes = chance(100);
  if (!is_hostile_) return attempt;
  attempt.is_stray = chance(50);
  if (!chance(350)) return attempt;
  attempt.fault = static_cast<Fault>(random_.between(1, 9));
  attempt.broken_at = random_.below(payload_bytes);
  if (attempt.fault == Fault::kBadChunk) attempt.framing = Framing::kChunked;
  return attempt;
}

}  // namespace sluice::sim
