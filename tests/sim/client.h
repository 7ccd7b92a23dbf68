// Simulated clients: their requests, how they send them, how they read, when they leave.
#pragma once

#include <functional>
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
  std::string payload;             // The body without framing.
  bool is_head = false;            // The method is HEAD.
  bool awaits_continue = false;    // The body follows the interim answer, or a second later.
  Duration think_time{};           // Before it is sent.
  std::optional<uint16_t> status;  // What must come; without it the playbook says.
  bool hears_usage = false;        // It asked for the usage event itself.
};

// One request of a client, and what has come of it.
struct Asked {
  const Request* request = nullptr;
  const Answer* answer = nullptr;  // Null until its head has come.
  bool was_sent = false;
  bool is_over = false;  // Whatever its end was, nothing more comes.
};

// A client of whatever protocol.
class Caller {
 public:
  virtual ~Caller() = default;
  [[nodiscard]] virtual size_t size() const = 0;
  [[nodiscard]] virtual Asked asked(size_t index) const = 0;
  [[nodiscard]] virtual bool has_gone() const = 0;
  // What it got is no protocol; "" when it is.
  [[nodiscard]] virtual const std::string& fault() const = 0;
  virtual void leave() = 0;
  // With the request that was sent, and with the one of whose answer more has come.
  std::function<void(size_t)> when_sent;
  std::function<void(size_t)> when_heard;
};

struct ClientPlan {
  std::vector<Request> requests;
  size_t depth = 1;                // Requests on the way at one time.
  std::optional<Duration> leaves;  // Leaves that long after it connected, whatever happens.
  bool leaves_by_reset = false;
  std::optional<size_t> leaves_at;  // Leaves when it has received so many bytes.
  Duration stall_every{};           // Stops reading so often ...
  Duration stall_for{};             // ... and for so long. Zero never stalls.
};

class Client final : public support::SimPeer, public Caller {
 public:
  Client(support::SimWorld& world, ClientPlan plan) : SimPeer(world), plan_(std::move(plan)) {}

  [[nodiscard]] const ClientPlan& plan() const noexcept { return plan_; }
  [[nodiscard]] const AnswerReader& reader() const noexcept { return reader_; }
  [[nodiscard]] size_t sent_count() const noexcept { return sent_; }
  [[nodiscard]] bool has_left() const noexcept { return has_left_; }
  void leave() override;
  [[nodiscard]] size_t size() const override { return plan_.requests.size(); }
  [[nodiscard]] Asked asked(size_t index) const override;
  [[nodiscard]] bool has_gone() const override { return is_over(); }
  [[nodiscard]] const std::string& fault() const override { return reader_.fault(); }

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
