// Simulated clients: their requests, how they send them, how they read, when they leave.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "answer_reader.h"
#include "provider.h"

namespace sluice::sim {

struct Request {
  std::string tag;                 // Its x-request-id; empty when it cannot carry one.
  std::string head;                // With its blank line.
  std::string body;                // As it goes over the wire, chunked framing included.
  bool is_head = false;            // The method is HEAD.
  bool awaits_continue = false;    // The body follows the interim answer, or a second later.
  Duration think_time{};           // Before it is sent.
  std::optional<uint16_t> status;  // What must come; without it the playbook says.
  bool hears_usage = false;        // It asked for the usage event itself.
};

struct ClientPlan {
  std::vector<Request> requests;
  size_t depth = 1;                // Requests on the way at one time.
  std::optional<Duration> leaves;  // Leaves that long after it connected, whatever happens.
  bool leaves_by_reset = false;
  Duration stall_every{};  // Stops reading so often ...
  Duration stall_for{};    // ... and for so long. Zero never stalls.
};

class Client final : public support::SimPeer {
 public:
  Client(support::SimWorld& world, ClientPlan plan) : SimPeer(world), plan_(std::move(plan)) {}

  [[nodiscard]] const ClientPlan& plan() const noexcept { return plan_; }
  [[nodiscard]] const AnswerReader& reader() const noexcept { return reader_; }
  [[nodiscard]] size_t sent_count() const noexcept { return sent_; }
  [[nodiscard]] bool has_left() const noexcept { return has_left_; }
  void leave();

 private:
  void on_connected() override;
  void on_bytes(std::string_view bytes) override;
  void on_ended() override;
  void advance();
  void send_next();
  void send_body(std::string body);
  void stall();

  ClientPlan plan_;
  AnswerReader reader_;
  size_t sent_ = 0;
  size_t begun_ = 0;  // Requests whose sending is at least scheduled.
  std::string awaiting_body_;
  bool has_left_ = false;
};

}  // namespace sluice::sim
