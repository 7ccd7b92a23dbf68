// One server that commands are sent to: connected, lost, connected again.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include <sluice/io/event.h>
#include <sluice/io/task.h>
#include <sluice/io/timer.h>
#include <sluice/shard/gate.h>

#include "link_log.h"
#include "pipeline.h"
#include "redis_wire.h"

namespace sluice::store {

class RedisLink;

// Told before commands that waited are sent, and before calls that were lost go on.
class LinkOwner {
 public:
  virtual void on_up(RedisLink& link) = 0;
  virtual void on_down(RedisLink& link) = 0;

 protected:
  ~LinkOwner() = default;
};

// Lives from start() until is_over().
class RedisLink {
 public:
  // Where the server is, each time anew; a null one stands for a fixed endpoint.
  class Finder {
   public:
    virtual Task<WireResult<RedisEndpoint>> find(io::Event& gone) = 0;

   protected:
    ~Finder() = default;
  };

  RedisLink(WireParts& parts, RedisFigures& figures, LinkOwner& owner, RedisEndpoint endpoint,
            Finder* finder);
  ~RedisLink();
  RedisLink(const RedisLink&) = delete;
  RedisLink& operator=(const RedisLink&) = delete;

  void start(shard::Gate& gate);
  // No more connections; is_over() soon.
  void end() noexcept;
  [[nodiscard]] bool is_ending() const noexcept { return gone_.is_ready(); }
  [[nodiscard]] bool is_over() const noexcept { return state_ == State::kOver; }
  [[nodiscard]] bool is_up() const noexcept { return state_ == State::kUp; }

  // Sends the parcel once there is a connection, or fails its slot.
  void submit(Parcel parcel);
  // Ends the present connection, for a reason in words; another one is made.
  void leave(std::string reason);
  void withdraw(PendingCall& call);

  // Of the last connection, or of the one that is being made.
  [[nodiscard]] const RedisEndpoint& endpoint() const noexcept { return endpoint_; }
  // Of the present connection, while is_up().
  [[nodiscard]] const ServerIdentity& identity() const noexcept { return identity_; }

  // The owner's notes.
  ServerIdentity last_seen;
  bool is_wanted = true;

 private:
  enum class State : uint8_t { kNew, kConnecting, kUp, kPausing, kOver };

  Task<void> run(shard::Gate::Pass pass);
  Task<WireResult<ServerIdentity>> connect();
  Task<void> serve();
  void start_send();
  // Takes what was received; false when the connection must end, for `fault_`.
  [[nodiscard]] bool take_received();
  [[nodiscard]] bool take_replies();
  void watch_silence();
  [[nodiscard]] Duration next_pause();
  [[nodiscard]] std::string name() const;
  [[nodiscard]] std::string who() const;

  WireParts& parts_;
  LinkOwner& owner_;
  RedisEndpoint endpoint_;
  Finder* finder_;
  LinkLog log_;
  Pipeline pipeline_;
  ServerIdentity identity_;
  std::unique_ptr<RedisWire> wire_;
  std::string sending_;  // Lives until the stream has sent it.
  State state_ = State::kNew;
  WireFault fault_;
  Duration backoff_ = RedisClient::kBackoffMin;
  bool is_left_ = false;  // leave() was called, for `fault_`.
  io::Event gone_;
  io::Event wake_;
  io::Timer silence_;
  io::Timer pause_;
};

}  // namespace sluice::store
