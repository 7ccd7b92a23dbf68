// What a predecessor and its successor say to each other, one JSON text a message.
//
//   successor                          predecessor
//   prepared {format, version}    -->
//                                 <--  hand_over {format, descriptors...} with the descriptors
//   ready {takes}                 -->
//                                 <--  go
//
// Instead of any of its own the successor says `failed {problem}`.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::app {

// Of the messages and of all that they name. Processes of different formats do not hand over.
inline constexpr int64_t kHandOverFormat = 1;

// What a descriptor is.
namespace given {
inline constexpr std::string_view kListener = "listener";  // One of each shard.
inline constexpr std::string_view kMetrics = "metrics";
inline constexpr std::string_view kAdminSocket = "admin_socket";
inline constexpr std::string_view kPassedAdminSocket = "passed_admin_socket";  // The supervisor's.
inline constexpr std::string_view kAdminListener = "admin_listener";
inline constexpr std::string_view kConnections = "connections";  // A channel; see net.
inline constexpr std::string_view kBanks = "banks";
inline constexpr std::string_view kLock =
    "lock";  // Of the store, the journal, the usage log; see store/file_lock.h.
}  // namespace given

struct GivenDescriptor {
  std::string name;
  // As the predecessor's configuration says it: what is configured elsewhere is not taken over.
  std::string place;
  int fd = -1;
};

struct HandOver {
  std::string version;      // Of the predecessor.
  uint64_t generation = 0;  // Of its configuration.
  std::vector<GivenDescriptor> descriptors;
};

struct SuccessorWord {
  enum class Kind : uint8_t { kPrepared, kReady, kFailed };
  Kind kind = Kind::kFailed;
  std::string version;             // kPrepared.
  std::string problem;             // kFailed.
  std::vector<std::string> takes;  // kReady: names of descriptors that it goes on with.
};

[[nodiscard]] std::string prepared_text(std::string_view version);
[[nodiscard]] std::string ready_text(std::span<const std::string> takes);
[[nodiscard]] std::string failed_text(std::string_view problem);
[[nodiscard]] std::string go_text();
[[nodiscard]] std::string hand_over_text(const HandOver& hand_over);

// Strict: the error is a sentence, also when the other side speaks another format.
[[nodiscard]] std::expected<SuccessorWord, std::string> read_successor_word(std::string_view text);
// `fds` came with the text, in the order of its names.
[[nodiscard]] std::expected<HandOver, std::string> read_hand_over(std::string_view text,
                                                                  std::span<const int> fds);
[[nodiscard]] bool is_go(std::string_view text);

}  // namespace sluice::app
