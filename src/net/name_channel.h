// One c-ares channel on a ring: its sockets, its timeouts, and how many questions are open.
#pragma once

#include <ares.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sluice/io/ring.h>
#include <sluice/io/watch_set.h>
#include <sluice/net/system_resolver.h>

namespace sluice::net {

// c-ares says which sockets it wants to hear of; polls on the ring wake drive(), which lets it
// read. Callbacks come within the calls to c-ares.
class NameChannel {
 public:
  explicit NameChannel(io::Ring& ring);
  ~NameChannel();
  NameChannel(const NameChannel&) = delete;
  NameChannel& operator=(const NameChannel&) = delete;

  [[nodiscard]] bool open(const ResolverSettings& settings);
  [[nodiscard]] ares_channel raw() const noexcept { return channel_; }

  // Around each question: before it is asked, and within its callback.
  void begin_question() noexcept { ++open_questions_; }
  void end_question() noexcept { --open_questions_; }
  // After a question was asked or cancelled.
  void after_asking();

  // Until no question is open. Once at a time. Suspends.
  Task<void> drive();

 private:
  struct Socket {
    explicit Socket(io::Ring& ring) noexcept : poll(ring) {}
    io::Op poll;
    uint32_t events = 0;
  };

  static void on_state(void* self, ares_socket_t fd, int readable, int writable);
  void watch(ares_socket_t fd, uint32_t events);
  void let_read();

  io::Ring& ring_;
  ares_channel channel_ = nullptr;
  uint32_t open_questions_ = 0;
  std::map<ares_socket_t, std::unique_ptr<Socket>> sockets_;
  io::WatchSet watched_;
  io::Timer timer_;
};

}  // namespace sluice::net
