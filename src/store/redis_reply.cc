#include <sluice/store/redis_reply.h>

#include <algorithm>
#include <array>

namespace sluice::store {
namespace {

struct KnownFault {
  std::string_view word;
  RedisFault fault;
  bool is_of_configuration;
  std::string_view advice;
};

constexpr std::array kKnownFaults = {
    KnownFault{"OOM", RedisFault::kOutOfMemory, true,
               "its memory is full: raise `maxmemory` or choose an eviction policy"},
    KnownFault{"READONLY", RedisFault::kReadOnly, false, "it is a replica"},
    KnownFault{"LOADING", RedisFault::kLoading, false, "it still reads its data from the disk"},
    KnownFault{"MASTERDOWN", RedisFault::kMasterDown, false, "it is a replica without a master"},
    KnownFault{"TRYAGAIN", RedisFault::kTryAgain, false, "a slot is being moved"},
    KnownFault{"CLUSTERDOWN", RedisFault::kClusterDown, false, "some slots have no node"},
    KnownFault{"MOVED", RedisFault::kMoved, false, "another node has the slot"},
    KnownFault{"ASK", RedisFault::kAsk, false, "another node has the key"},
    KnownFault{"NOSCRIPT", RedisFault::kNoScript, false, "its script cache was flushed"},
    KnownFault{"NOAUTH", RedisFault::kNoAuth, true, "it wants a password: set redis.password"},
    KnownFault{"WRONGPASS", RedisFault::kWrongPassword, true,
               "check redis.username and redis.password"},
    KnownFault{"NOPERM", RedisFault::kNoPermission, true, "the user lacks a right: extend its ACL"},
    KnownFault{"DENIED", RedisFault::kProtected, true,
               "it is in protected mode: give it a password or bind it to an address"},
    KnownFault{"MISCONF", RedisFault::kDiskFailed, true,
               "it cannot save snapshots: see its log, or set stop-writes-on-bgsave-error to no"},
    KnownFault{"NOREPLICAS", RedisFault::kNoReplicas, true,
               "too few replicas follow it (min-replicas-to-write)"},
    KnownFault{"BUSY", RedisFault::kBusy, false, "a script runs for too long"},
};

const KnownFault* find(RedisFault fault) noexcept {
  const auto* found = std::ranges::find(kKnownFaults, fault, &KnownFault::fault);
  return found == kKnownFaults.end() ? nullptr : found;
}

}  // namespace

RedisFault fault_of(const RedisReply& reply) noexcept {
  if (!reply.is_error()) return RedisFault::kNone;
  const std::string_view text = reply.text;
  const std::string_view word = text.substr(0, text.find(' '));
  const auto* found = std::ranges::find(kKnownFaults, word, &KnownFault::word);
  return found == kKnownFaults.end() ? RedisFault::kOther : found->fault;
}

bool is_of_configuration(RedisFault fault) noexcept {
  const KnownFault* known = find(fault);
  return known != nullptr && known->is_of_configuration;
}

std::string_view advice_on(RedisFault fault) noexcept {
  const KnownFault* known = find(fault);
  return known != nullptr ? known->advice : std::string_view();
}

}  // namespace sluice::store
