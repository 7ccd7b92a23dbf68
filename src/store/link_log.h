// Tells operators when a server comes, goes or refuses us: one line per change.
#pragma once

#include <string>
#include <string_view>

#include <sluice/base/clock.h>
#include <sluice/base/log.h>

#include "redis_wire.h"

namespace sluice::store {

class LinkLog {
 public:
  explicit LinkLog(Logger& log) noexcept : log_(log) {}

  // `name` is the server's address, `who` our user and database in words.
  void note_up(MonoTime now, const std::string& name, const std::string& who,
               const ServerIdentity& identity);
  // A connection that was up was lost.
  void note_lost(MonoTime now, const std::string& name, const WireFault& fault);
  // A try to connect failed: told of the first one, and again when a fault of configuration shows.
  void note_failure(MonoTime now, const std::string& name, const WireFault& fault);

 private:
  enum class State : uint8_t { kNew, kUp, kDown };
  void go_down(MonoTime now) noexcept;

  Logger& log_;
  State state_ = State::kNew;
  MonoTime down_since_{};
  std::string told_fault_;  // Of configuration, since it went down.
};

}  // namespace sluice::store
