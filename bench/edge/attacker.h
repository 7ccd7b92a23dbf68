// One connection of an assault.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <sluice/base/intrusive_list.h>
#include <sluice/io/op.h>
#include <sluice/io/ring.h>
#include <sluice/net/address.h>

#include "attack.h"
#include "outcomes.h"

namespace sluice::edge {

class Attacker;

// What all attackers share, and whom they report to. The calls may come from within a call to the
// attacker, which must then not be destroyed.
class AttackerOwner {
 public:
  AttackerOwner(io::Ring& on, const Attack& what) noexcept : ring(on), attack(what) {}

  // Its next step is due after the attack's pause.
  virtual void on_waits(Attacker& attacker) noexcept = 0;
  // It is closed and may connect again.
  virtual void on_closed(Attacker& attacker) noexcept = 0;

  io::Ring& ring;
  const Attack& attack;
  Outcomes outcomes;

 protected:
  ~AttackerOwner() = default;
};

// A state machine on completions, like the clients of sluice-load. Lives in one place.
class Attacker : public ListLink {
 public:
  explicit Attacker(AttackerOwner& owner) noexcept;
  Attacker(const Attacker&) = delete;
  Attacker& operator=(const Attacker&) = delete;

  // Begins to connect from `source`. on_closed() follows in any case, now when it cannot begin.
  void connect(const net::Address& source, const net::Address& target) noexcept;
  // The step that on_waits() asked for; nothing when the connection is no more what it was then.
  void step(uint32_t life) noexcept;
  // Ends it; `how` goes into the outcomes.
  void leave(std::string_view how) noexcept;

  [[nodiscard]] bool is_closed() const noexcept { return state_ == State::kClosed; }
  // Differs for each connection that this one makes.
  [[nodiscard]] uint32_t life() const noexcept { return life_; }

 private:
  enum class State : uint8_t { kClosed, kConnecting, kOpen, kClosing };

  // One op, whose completion goes to a member.
  class Wire final : public io::OpTarget {
   public:
    using Taker = void (Attacker::*)(int32_t result, std::string_view bytes) noexcept;
    Wire(Attacker& attacker, Taker taker) noexcept
        : OpTarget(attacker.owner_.ring), attacker_(attacker), taker_(taker) {}
    void begin(const io::Submission& submission) noexcept { start(submission); }

   private:
    void complete(const io::KernelCompletion& completion, io::Buffer buffer) noexcept override;
    Attacker& attacker_;
    Taker taker_;
  };

  [[nodiscard]] int open_socket(const net::Address& source) noexcept;
  void on_out(int32_t result, std::string_view bytes) noexcept;
  void on_in(int32_t result, std::string_view bytes) noexcept;
  void on_hangup(int32_t result, std::string_view bytes) noexcept;
  void on_connect(int32_t result) noexcept;
  void send(std::string_view bytes) noexcept;
  void receive() noexcept;
  void take(std::string_view bytes) noexcept;
  void close(std::string_view how) noexcept;
  void close_when_quiet() noexcept;

  AttackerOwner& owner_;
  State state_ = State::kClosed;
  uint32_t life_ = 0;
  int fd_ = -1;
  net::Address target_;
  Wire out_, in_, hangup_;
  MonoTime began_;
  uint64_t sent_ = 0;
  size_t drip_at_ = 0;
  std::string_view unsent_;
  char byte_ = 0;
  std::string answer_;  // The first bytes that came.
  std::string_view how_;
};

}  // namespace sluice::edge
