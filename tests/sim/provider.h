// Simulated upstreams: what they answer, and how they fail, is written down per request.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim_world.h"

namespace sluice::sim {

enum class Fault : uint8_t {
  kNone,
  kCloseUnanswered,  // Closes without a byte.
  kResetUnanswered,
  kSilence,      // Never answers.
  kGarbage,      // Answers with something that is no HTTP.
  kServerError,  // A whole 500.
  kCut,          // Closes within the body.
  kReset,        // Resets within the body.
  kStall,        // Stops within the body and stays.
  kBadChunk,     // Breaks its chunked framing within the body.
};

enum class Framing : uint8_t { kLength, kChunked, kUntilClose };

// What an upstream does with one attempt.
struct AttemptScript {
  Fault fault = Fault::kNone;
  Framing framing = Framing::kLength;
  size_t broken_at = 0;    // Payload bytes sent before a fault within the body.
  size_t chunk_bytes = 0;  // 0 makes every piece one chunk.
  bool closes = false;     // Closes its connection behind the answer, unannounced.
  bool is_stray = false;   // Sends bytes behind its answer that nobody asked for.
  Duration head_delay{};
  Duration piece_delay{};
};

// One request's part of the play, and what became of it.
struct Script {
  bool is_event_stream = false;
  std::vector<std::string> pieces;      // Of the payload; events of an event stream.
  std::string usage_event;              // Sent before the last piece when the request asks for it.
  std::vector<AttemptScript> attempts;  // The last one repeats.

  uint64_t prompt_tokens = 0;
  uint64_t completion_tokens = 0;

  uint32_t calls = 0;
  bool was_sent_whole = false;
  bool had_server_error = false;

  [[nodiscard]] std::string payload(bool with_usage) const;
  [[nodiscard]] bool is_faultless() const;
};

// By x-request-id, which the gateway passes on.
using Playbook = std::map<std::string, Script>;

[[nodiscard]] std::string server_error_body(std::string_view tag);

class ProviderPeer;
// Told of each request that has come whole.
using OnRequest = std::function<void(ProviderPeer&)>;

// One connection of an upstream.
class ProviderPeer final : public support::SimPeer {
 public:
  ProviderPeer(support::SimWorld& world, Playbook& playbook, OnRequest on_request = {})
      : SimPeer(world), playbook_(playbook), on_request_(std::move(on_request)) {}

  // Of the last request.
  [[nodiscard]] const std::string& tag() const noexcept { return tag_; }
  [[nodiscard]] const std::string& model() const noexcept { return model_; }
  // It is not answered whole, and the gateway has not given it up.
  [[nodiscard]] bool is_serving();

 private:
  void on_bytes(std::string_view bytes) override;
  void on_ended() override { close(); }
  void answer(const std::string& head, const std::string& body);
  void answer_by(const std::string& tag, Script& script, bool with_usage);
  void send_head(const std::string& tag, const Script& script, const AttemptScript& attempt,
                 size_t length);
  void send_body(Script& script, const AttemptScript& attempt, bool with_usage);
  void break_off(const AttemptScript& attempt);
  void send_pieces(const std::vector<std::string>& pieces, const AttemptScript& attempt);

  Playbook& playbook_;
  OnRequest on_request_;
  std::string pending_;
  std::string tag_;
  std::string model_;
  MonoTime served_until_ = MonoTime::min();
  Duration sent_after_{};  // When the last piece leaves, counted from the request.
};

// Serves at `address` until the world ends.
void start_provider(support::SimWorld& world, const net::Address& address, Playbook& playbook,
                    OnRequest on_request = {});

}  // namespace sluice::sim
