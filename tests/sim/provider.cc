#include "provider.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace sluice::sim {
namespace {

constexpr std::string_view kAskedForUsage = "\"include_usage\":true";

std::string header_of(const std::string& head, std::string_view name) {
  const std::string needle = "\r\n" + std::string(name) + ": ";
  const size_t at = head.find(needle);
  if (at == std::string::npos) return {};
  const size_t from = at + needle.size();
  return head.substr(from, head.find("\r\n", from) - from);
}

std::string chunk_of(std::string_view payload) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", payload.size());
  return size + std::string(payload) + "\r\n";
}

// The first `length` bytes of all pieces.
std::vector<std::string> cut(std::vector<std::string> pieces, size_t length) {
  std::vector<std::string> kept;
  for (std::string& piece : pieces) {
    if (length == 0) break;
    piece.resize(std::min(piece.size(), length));
    length -= piece.size();
    kept.push_back(std::move(piece));
  }
  return kept;
}

std::vector<std::string> pieces_of(const Script& script, bool with_usage) {
  std::vector<std::string> pieces = script.pieces;
  if (with_usage && !script.usage_event.empty()) {
    pieces.insert(pieces.end() - 1, script.usage_event);
  }
  return pieces;
}

size_t length_of(const std::vector<std::string>& pieces) {
  size_t sum = 0;
  for (const std::string& piece : pieces) sum += piece.size();
  return sum;
}

}  // namespace

std::string Script::payload(bool with_usage) const {
  std::string text;
  for (const std::string& piece : pieces_of(*this, with_usage)) text += piece;
  return text;
}

bool Script::is_faultless() const {
  return std::ranges::all_of(attempts,
                             [](const AttemptScript& a) { return a.fault == Fault::kNone; });
}

std::string server_error_body(std::string_view tag) {
  return "{\"error\":{\"message\":\"" + std::string(tag) + " failed\"}}";
}

void ProviderPeer::on_bytes(std::string_view bytes) {
  pending_ += bytes;
  const size_t end = pending_.find("\r\n\r\n");
  if (end == std::string::npos) return;
  const std::string head = pending_.substr(0, end + 4);
  const size_t length = std::strtoull(header_of(head, "content-length").c_str(), nullptr, 10);
  if (pending_.size() < head.size() + length) return;
  const std::string body = pending_.substr(head.size(), length);
  pending_.erase(0, head.size() + length);
  EXPECT_TRUE(pending_.empty()) << "a second request before the answer to the first";
  answer(head, body);
}

void ProviderPeer::answer(const std::string& head, const std::string& body) {
  const std::string tag = header_of(head, "x-request-id");
  const auto found = playbook_.find(tag);
  ASSERT_NE(found, playbook_.end()) << "a request that no client has sent:\n" << head << body;
  EXPECT_NE(body.find("\"" + tag + "\""), std::string::npos) << "another request's body\n" << body;
  Script& script = found->second;
  EXPECT_LE(served_until_, world().clock().now())
      << tag << " is sent behind " << tag_ << ", whose answer is not over";
  tag_ = tag;
  const size_t model = body.find("\"model\":\"");
  model_ = body.substr(model + 9, body.find('"', model + 9) - model - 9);
  served_until_ = MonoTime::max();
  if (on_request_) on_request_(*this);
  answer_by(tag, script, body.find(kAskedForUsage) != std::string::npos);
}

bool ProviderPeer::is_serving() {
  return !is_over() && served_until_ > world().clock().now() && is_wanted_there();
}

void ProviderPeer::answer_by(const std::string& tag, Script& script, bool with_usage) {
  const size_t call = std::min<size_t>(script.calls++, script.attempts.size() - 1);
  const AttemptScript& attempt = script.attempts[call];
  switch (attempt.fault) {
    case Fault::kSilence: return;
    case Fault::kCloseUnanswered: return close(attempt.head_delay);
    case Fault::kResetUnanswered: return world().after(attempt.head_delay, [this] { reset(); });
    case Fault::kGarbage:
      served_until_ = world().clock().now() + attempt.head_delay;
      return send("SSH-2.0-OpenSSH_9.6\r\n\r\n", attempt.head_delay);
    case Fault::kServerError: {
      served_until_ = world().clock().now() + attempt.head_delay;
      script.had_server_error = true;
      const std::string body = server_error_body(tag);
      return send(
          "HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\n"
          "content-length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body,
          attempt.head_delay);
    }
    default: break;
  }
  served_until_ = MonoTime::max();
  send_head(tag, script, attempt, length_of(pieces_of(script, with_usage)));
  send_body(script, attempt, with_usage);
}

void ProviderPeer::send_head(const std::string& tag, const Script& script,
                             const AttemptScript& attempt, size_t length) {
  std::string head = "HTTP/1.1 200 OK\r\ncontent-type: ";
  head += script.is_event_stream ? "text/event-stream; charset=utf-8" : "application/json";
  head += "\r\nx-request-id: up-" + tag + "\r\n";
  switch (attempt.framing) {
    case Framing::kLength: head += "content-length: " + std::to_string(length) + "\r\n"; break;
    case Framing::kChunked: head += "transfer-encoding: chunked\r\n"; break;
    case Framing::kUntilClose: head += "connection: close\r\n"; break;
  }
  sent_after_ = attempt.head_delay;
  send(head + "\r\n", sent_after_);
}

void ProviderPeer::send_body(Script& script, const AttemptScript& attempt, bool with_usage) {
  const std::vector<std::string> pieces = pieces_of(script, with_usage);
  if (attempt.fault != Fault::kNone) {
    send_pieces(cut(pieces, attempt.broken_at), attempt);
    break_off(attempt);
    return;
  }
  send_pieces(pieces, attempt);
  script.was_sent_whole = true;
  served_until_ = world().clock().now() + sent_after_;
  if (attempt.framing == Framing::kChunked) send("0\r\n\r\n");
  if (attempt.is_stray && attempt.framing != Framing::kUntilClose) send("HTTP/1.1 200 OK\r\n");
  if (attempt.closes || attempt.framing == Framing::kUntilClose) close();
}

void ProviderPeer::break_off(const AttemptScript& attempt) {
  switch (attempt.fault) {
    case Fault::kCut: return close(sent_after_ + attempt.piece_delay);
    case Fault::kReset:
      return world().after(sent_after_ + attempt.piece_delay, [this] { reset(); });
    case Fault::kBadChunk: return send("no chunk at all\r\n");
    default: return;
  }
}

void ProviderPeer::send_pieces(const std::vector<std::string>& pieces,
                               const AttemptScript& attempt) {
  for (const std::string& piece : pieces) {
    std::string bytes;
    if (attempt.framing != Framing::kChunked) {
      bytes = piece;
    } else if (attempt.chunk_bytes == 0) {
      bytes = chunk_of(piece);
    } else {
      for (size_t at = 0; at < piece.size(); at += attempt.chunk_bytes) {
        bytes += chunk_of(std::string_view(piece).substr(at, attempt.chunk_bytes));
      }
    }
    sent_after_ += attempt.piece_delay;
    send(std::move(bytes), sent_after_);
  }
}

void start_provider(support::SimWorld& world, const net::Address& address, Playbook& playbook,
                    OnRequest on_request) {
  world.serve(address, [&world, &playbook, on_request]() -> support::SimPeer& {
    return world.adopt<ProviderPeer>(playbook, on_request);
  });
}

}  // namespace sluice::sim
