// A tiny process that can start this program anew when the gateway itself may not execute anything.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <string>

namespace sluice::app {

// The successor finds its channel to the predecessor under this number.
inline constexpr const char* kUpgradeVariable = "SLUICE_UPGRADE_FD";

// What the starter says. With kStarted come three descriptors: the predecessor's end of the channel
// to the successor, and both ends of the channel for connections.
struct StarterReport {
  enum class Kind : uint8_t { kStarted, kFailed, kEnded };
  Kind kind = Kind::kFailed;
  int32_t pid = 0;
  int32_t status = 0;  // As of waitpid() when it has ended, an errno when it failed.
};

// The gateway's end. The starter takes two orders and no words: to start the program that it was
// forked from, by the same path and with the same arguments and environment, and to kill what it
// has started. It ends with the gateway.
class Starter {
 public:
  // Forks. Before the first thread starts and the first secret is read.
  [[nodiscard]] static std::expected<Starter, std::string> fork_off(char** argv);

  // Of a starter that runs; takes the channel over.
  explicit Starter(int channel) noexcept : channel_(channel) {}
  Starter(Starter&& other) noexcept;
  Starter& operator=(Starter&&) = delete;
  ~Starter();

  // To be polled; receive with net::receive_descriptors() and read_report().
  [[nodiscard]] int channel() const noexcept { return channel_; }
  // Return at once. False when the starter has gone.
  [[nodiscard]] bool order_start() const noexcept;
  [[nodiscard]] bool order_kill() const noexcept;

 private:
  int channel_;
};

// False for what is no report.
[[nodiscard]] bool read_report(const std::string& text, StarterReport& report) noexcept;

}  // namespace sluice::app
