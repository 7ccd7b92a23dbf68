// The successor's view of the process that it replaces.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/base/clock.h>

#include "hand_over.h"

namespace sluice::app {

// Blocks, within bounds: nobody is served by this process yet.
class Predecessor {
 public:
  // For the predecessor's answers, which need no work of it but a turn of its control thread.
  static constexpr Duration kPatience = seconds(30);

  // Null when this process was not started by an upgrade. Forgets the variable that says so.
  [[nodiscard]] static std::unique_ptr<Predecessor> find();
  ~Predecessor();
  Predecessor(const Predecessor&) = delete;
  Predecessor& operator=(const Predecessor&) = delete;

  // All that can fail without anything of the predecessor's has not: asks for what it has. The
  // error is a sentence.
  [[nodiscard]] std::expected<void, std::string> ask(std::string_view version);
  [[nodiscard]] const std::string& version() const noexcept { return given_.version; }

  // What the predecessor had under that name at that place, the caller's from now on; empty, or
  // negative, when there is none.
  [[nodiscard]] std::vector<int> take_all(std::string_view name, std::string_view place);
  [[nodiscard]] int take(std::string_view name, std::string_view place);
  // Wherever they are.
  [[nodiscard]] std::vector<int> take_all(std::string_view name);
  // The channel itself, on which records come from now on; once, after announce_ready().
  [[nodiscard]] int take_channel() noexcept { return std::exchange(channel_, -1); }

  // Everything stands: the predecessor stops, and this process is to serve at once. A predecessor
  // that is gone by now is no obstacle. The error is a sentence.
  [[nodiscard]] std::expected<void, std::string> announce_ready();
  // This process ends without having served. Best effort.
  void complain(std::string_view problem) noexcept;

 private:
  explicit Predecessor(int channel) noexcept : channel_(channel) {}
  // True when something is to be received.
  [[nodiscard]] bool wait() const noexcept;

  int channel_;
  HandOver given_;
  std::vector<std::string> taken_;  // Names, once each.
};

}  // namespace sluice::app
