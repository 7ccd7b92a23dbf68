// The commands on their way over one connection, in order, and the calls that wait for them.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <sluice/base/result.h>
#include <sluice/io/event.h>
#include <sluice/store/redis_client.h>
#include <sluice/store/redis_reply.h>

namespace sluice::store {

// What one round of a call waits for. Lives in the call's frame; who leaves early withdraws it.
struct PendingCall {
  struct Slot {
    Result<RedisReply> result = fail(ErrorCode::kIo, Side::kSelf, Retry::kYes, "not sent");
    std::optional<RedisReply> prelude;  // The first reply of several to one command.
    RedisEndpoint asked;                // Where it was sent.
    bool is_open = false;
  };

  PendingCall(io::ReadyQueue& ready, size_t count) : done(ready), slots(count) {}
  void open_slot(size_t index) noexcept {
    slots[index].is_open = true;
    ++open;
  }
  void settle(size_t index, Result<RedisReply> result) {
    slots[index].result = std::move(result);
    slots[index].is_open = false;
    if (--open == 0) done.trigger();
  }

  io::Event done;  // No slot is open.
  std::vector<Slot> slots;
  size_t open = 0;
};

// What is to be sent as one: a command, with what must come right before it.
struct Parcel {
  PendingCall* call = nullptr;  // Null once nobody waits for it any more.
  size_t index = 0;
  std::string text;
  uint32_t preludes = 0;  // Replies before the one that counts.
};

class Pipeline {
 public:
  explicit Pipeline(RedisFigures& figures) noexcept : figures_(figures) {}

  // False when a bound of RedisClient would be passed; nothing is added then.
  [[nodiscard]] bool add(Parcel parcel);
  // Moves all that was not sent yet to `text`; false when there is none.
  bool take_unsent(std::string& text);
  [[nodiscard]] bool has_unsent() const noexcept { return sent_ < parcels_.size(); }
  // Gives the next reply to whom it belongs; false when there is nobody, and nothing was asked.
  [[nodiscard]] bool take_reply(RedisReply reply);
  // The call waits no more: what was not sent is not sent, other replies will be dropped.
  void withdraw(PendingCall& call);
  // Whether replies are outstanding that nobody waits for any more.
  [[nodiscard]] bool has_overdue() const noexcept { return overdue_ > 0; }
  // Ends everything with an error. `code` and `detail` say why.
  void fail_all(ErrorCode code, std::string_view detail);

 private:
  struct Entry {
    Parcel parcel;
    size_t bytes = 0;
  };
  [[nodiscard]] static Retry retry_of(bool is_sent) noexcept {
    return is_sent ? Retry::kNever : Retry::kYes;
  }

  RedisFigures& figures_;
  std::deque<Entry> parcels_;
  size_t sent_ = 0;     // Of them, the first ones.
  size_t bytes_ = 0;    // Of all of them.
  size_t overdue_ = 0;  // Sent, and nobody waits.
};

}  // namespace sluice::store
