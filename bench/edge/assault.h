// Many attackers for a while, at a rate, from several addresses.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "attacker.h"

namespace sluice::edge {

struct AssaultSettings {
  net::Address target;
  std::vector<net::Address> sources;  // Taken in turn; not empty.
  uint32_t connections = 100;         // At one time.
  double rate = 1000;                 // New connections a second, above 0.
  Duration length = seconds(10);
  bool shows_progress = false;
};

// Keeps `connections` open for `length`: what the other side ends is opened again, at `rate`.
class Assault final : public AttackerOwner {
 public:
  // `stop_fd` is a signalfd; a signal ends the assault early.
  Assault(io::Ring& ring, const Attack& attack, const AssaultSettings& settings, int stop_fd);

  // Blocks until all is over and closed.
  void live();
  [[nodiscard]] Duration took() const noexcept { return end_ - begin_; }

 private:
  // Attackers that are closing still hold their ops; so many more may be open besides.
  static constexpr uint32_t kClosingMax = 2048;
  static constexpr uint32_t kBurstMax = 512;  // Connections that are begun in a turn.
  static constexpr Duration kCloseMax = seconds(10);

  struct Waiting {
    MonoTime due;
    Attacker* attacker;
    uint32_t life;
  };

  void on_waits(Attacker& attacker) noexcept override;
  void on_closed(Attacker& attacker) noexcept override;

  void open_what_is_due(MonoTime now);
  void open_one();
  void step_who_waited(MonoTime now);
  void tell(MonoTime now);
  [[nodiscard]] MonoTime next_due() const noexcept;
  [[nodiscard]] bool is_stopped() const noexcept;
  void end_all();

  const AssaultSettings& settings_;
  int stop_fd_;
  std::vector<std::unique_ptr<Attacker>> attackers_;
  std::vector<Attacker*> free_;
  IntrusiveList<Attacker> running_;  // Oldest first.
  std::deque<Waiting> waiting_;      // All wait for the same time, so in the order of their dues.
  uint32_t used_ = 0;                // Attackers that are not free.
  uint64_t begun_ = 0;
  double credit_ = 0;  // Connections that are due; a fraction.
  MonoTime begin_, end_, filled_, next_told_;
};

}  // namespace sluice::edge
