// The control thread's end of the two mailboxes to and from one shard.
#pragma once

#include <deque>

#include <sluice/base/ids.h>
#include <sluice/io/ring.h>
#include <sluice/shard/mailbox.h>
#include <sluice/upstream/shard_messages.h>

namespace sluice::control {

using Commands = shard::Mailbox<upstream::ShardCommand>;
using Reports = shard::Mailbox<upstream::ShardReport>;

// Control thread only. The mailboxes outlive it.
class ShardPort {
 public:
  ShardPort(ShardId shard, Commands& commands, Reports& reports) noexcept
      : shard_(shard), commands_(commands), reports_(reports) {}
  ShardPort(ShardPort&&) = default;

  // `ring` is the shard's, woken from now on; what was sent before waits in the mailbox.
  void connect(io::Ring& ring) noexcept { ring_ = &ring; }

  // Never fails and never waits: what does not fit into the mailbox waits here, in order.
  void send(upstream::ShardCommand command);
  // Tries to pass on what waits. False while something still does.
  bool flush();
  [[nodiscard]] bool has_waiting() const noexcept { return !waiting_.empty(); }

  [[nodiscard]] bool has_report() const noexcept { return reports_.has_message(); }
  [[nodiscard]] std::optional<upstream::ShardReport> take_report() noexcept {
    return reports_.pop();
  }
  [[nodiscard]] ShardId shard() const noexcept { return shard_; }

 private:
  ShardId shard_;
  Commands& commands_;
  Reports& reports_;
  io::Ring* ring_ = nullptr;
  // Bounded by its users: they send snapshots up to Publisher::kLiveMost, addresses only while
  // nothing waits, and three messages for a drain.
  std::deque<upstream::ShardCommand> waiting_;
};

}  // namespace sluice::control
