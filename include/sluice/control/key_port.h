// The control thread's end of the two mailboxes to and from one shard that are about keys.
#pragma once

#include <deque>
#include <optional>

#include <sluice/auth/key_messages.h>
#include <sluice/base/ids.h>
#include <sluice/io/ring.h>
#include <sluice/shard/mailbox.h>

namespace sluice::control {

using KeyCommands = shard::Mailbox<auth::KeyCommand>;
using KeyReports = shard::Mailbox<auth::KeyReport>;

// Control thread only. The mailboxes outlive it.
class KeyPort {
 public:
  KeyPort(ShardId shard, KeyCommands& commands, KeyReports& reports) noexcept
      : shard_(shard), commands_(commands), reports_(reports) {}
  KeyPort(KeyPort&&) = default;

  // `ring` is the shard's, woken from now on; what was sent before waits in the mailbox.
  void connect(io::Ring& ring) noexcept { ring_ = &ring; }

  // Never fails and never waits: what does not fit into the mailbox waits here, in order. Bounded
  // by what the shard has asked, and by changes, each of which waits for its acknowledgement. A
  // directory takes the place of one that still waits right before it.
  void send(auth::KeyCommand command);
  // Tries to pass on what waits. False while something still does.
  bool flush();
  [[nodiscard]] bool has_waiting() const noexcept { return !waiting_.empty(); }

  [[nodiscard]] bool has_report() const noexcept { return reports_.has_message(); }
  [[nodiscard]] std::optional<auth::KeyReport> take_report() noexcept { return reports_.pop(); }
  [[nodiscard]] ShardId shard() const noexcept { return shard_; }

 private:
  ShardId shard_;
  KeyCommands& commands_;
  KeyReports& reports_;
  io::Ring* ring_ = nullptr;
  std::deque<auth::KeyCommand> waiting_;
};

}  // namespace sluice::control
