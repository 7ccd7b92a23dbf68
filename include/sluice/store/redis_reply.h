// What a Redis server answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::store {

// One reply of the protocol RESP2.
struct RedisReply {
  enum class Kind : uint8_t { kNil, kStatus, kError, kInteger, kText, kList };

  Kind kind = Kind::kNil;
  int64_t integer = 0;            // Of kInteger.
  std::string text;               // Of kStatus, kError and kText; any bytes.
  std::vector<RedisReply> items;  // Of kList.

  [[nodiscard]] bool is_error() const noexcept { return kind == Kind::kError; }
};

// What an error reply means, by its first word.
enum class RedisFault : uint8_t {
  kNone,           // No error.
  kOutOfMemory,    // OOM: maxmemory is reached; only commands that need memory fail.
  kReadOnly,       // READONLY: a replica, or a master that was made one.
  kLoading,        // LOADING: it reads its data from the disk.
  kMasterDown,     // MASTERDOWN: a replica that lost its master.
  kTryAgain,       // TRYAGAIN: the keys of one command lie on both sides of a moving slot.
  kClusterDown,    // CLUSTERDOWN: the slot is served by nobody at present.
  kMoved,          // MOVED: another node serves the slot.
  kAsk,            // ASK: another node has this key already.
  kNoScript,       // NOSCRIPT: the script cache was flushed.
  kNoAuth,         // NOAUTH: a password is wanted.
  kWrongPassword,  // WRONGPASS: user or password are not right.
  kNoPermission,   // NOPERM: the user may not run this command or touch this key.
  kProtected,      // DENIED: protected mode takes nobody from another host.
  kDiskFailed,     // MISCONF: writes are refused since a snapshot could not be saved.
  kNoReplicas,     // NOREPLICAS: writes are refused since too few replicas follow.
  kBusy,           // BUSY: a script runs for too long.
  kOther,
};

[[nodiscard]] RedisFault fault_of(const RedisReply& reply) noexcept;

// Whether somebody must change a configuration, ours or the server's, before it can work.
[[nodiscard]] bool is_of_configuration(RedisFault fault) noexcept;

// A sentence for operators: what it means and what helps. Static storage; "" of kNone and kOther.
[[nodiscard]] std::string_view advice_on(RedisFault fault) noexcept;

}  // namespace sluice::store
