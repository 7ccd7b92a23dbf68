// All of the control thread's work about keys: the desk, who asks the sources outside, and what
// the shards say of either.
#pragma once

#include <cstdint>
#include <span>

#include <sluice/auth/key_messages.h>
#include <sluice/config/auth.h>
#include <sluice/control/key_desk.h>
#include <sluice/control/key_port.h>

namespace sluice::control {

// Asks the sources of keys that are outside the process. Control thread only.
class KeyAsker {
 public:
  virtual ~KeyAsker() = default;
  // Of each configuration as it comes into force.
  virtual void follow(const config::AuthSettings& settings, uint64_t generation) = 0;
  // To be answered once, through the shard's port.
  virtual void on_asked(ShardId shard, auth::KeyAsked asked) = 0;
  // Whether nothing would be cut off by its end.
  [[nodiscard]] virtual bool is_quiet() const noexcept = 0;
  // Suspends.
  virtual Task<void> end() = 0;
};

// Control thread only. Await end() before it dies.
class KeyService {
 public:
  // What outlives it.
  explicit KeyService(KeyDesk::Parts parts) : ports_(parts.ports), desk_(parts) {}

  [[nodiscard]] KeyDesk& desk() noexcept { return desk_; }
  // `asker` outlives the service. Without one every question is answered by kFailed.
  void set_asker(KeyAsker& asker) noexcept { asker_ = &asker; }

  void follow(const config::AuthSettings& settings, uint64_t generation);
  // Whether a shard has said something. Cheap.
  [[nodiscard]] bool has_work() const noexcept;
  // Obeys what the shards have said.
  void run();
  // Tries to pass on what waits for room in a shard's mailbox.
  void flush();
  void on_shard_end(ShardId shard) { desk_.on_shard_end(shard); }

  // Whether something hangs on a lane, which then cannot be joined soon.
  [[nodiscard]] bool is_busy() const noexcept { return desk_.is_busy(); }
  [[nodiscard]] bool is_quiet() const noexcept {
    return is_over_ || (!desk_.is_busy() && (asker_ == nullptr || asker_->is_quiet()));
  }
  // The asker's end, too. Suspends.
  Task<void> end();

 private:
  void obey(KeyPort& port, auth::KeyReport& report);
  void refuse(KeyPort& port, const auth::KeyAsked& asked) const;

  std::span<KeyPort> ports_;
  KeyDesk desk_;
  KeyAsker* asker_ = nullptr;
  uint64_t generation_ = 0;
  bool is_over_ = false;
};

}  // namespace sluice::control
