// A network in memory: listeners, connections, bytes on the way, in fake time.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/net/address.h>

#include "fault_plan.h"
#include "sim_clock.h"
#include "sim_trace.h"

namespace sluice::support {

class SimNet;

// One end of a connection, with TCP's rules as Linux shows them to a program.
struct End {
  // Told when something changed at this end; null for ends of the simulated kernel, which looks by
  // itself.
  class Watcher {
   public:
    virtual void on_change() = 0;

   protected:
    ~Watcher() = default;
  };
  struct Segment {
    std::string bytes;
    bool is_fin = false;
    bool is_reset = false;
  };

  int64_t id = 0;
  net::Address address;  // Its own.
  End* other = nullptr;
  Watcher* watcher = nullptr;
  std::string inbox;             // Arrived, not read.
  std::deque<Segment> arriving;  // On the way to this end, in order.
  size_t arriving_bytes = 0;
  MonoTime last_arrival{};
  uint64_t bytes_arrived = 0;   // Acknowledged to the other end, read or not.
  uint32_t window = 64 * 1024;  // Most that may be on the way or unread.
  bool fin_sent = false;
  bool fin_received = false;
  bool is_read_shut = false;
  bool is_reset = false;
  bool is_closed = false;  // Its owner is gone: bytes that arrive are answered by a reset.
  int pending_error = 0;   // Reported once, by the next read or write.

  // Whether a read would return: bytes, the end of the stream, or an error.
  [[nodiscard]] bool is_readable() const noexcept {
    return !inbox.empty() || fin_received || is_read_shut || is_reset;
  }
  [[nodiscard]] bool is_hung_up() const noexcept {
    return fin_received || is_read_shut || is_reset;
  }
};

struct SimListener {
  net::Address address;
  bool shares_port = false;
  bool is_shut = false;
  bool is_open = true;
  std::deque<End*> backlog;
  // Set for listeners of peers: called with each new connection instead of queueing it.
  std::function<void(End&)> on_accept;
};

// Owns all listeners and connections until the simulation ends.
class SimNet {
 public:
  SimNet(SimClock& clock, EventQueue& events, SimTrace& trace, const FaultPlan& plan, Prng prng)
      : clock_(clock), events_(events), trace_(trace), plan_(plan), prng_(prng) {}

  // Null when the address is taken (EADDRINUSE). Port 0 is replaced by a free one.
  [[nodiscard]] SimListener* listen(net::Address address, bool shares_port);
  void close(SimListener& listener);
  // Connections to `address` neither succeed nor fail from now on.
  void make_black_hole(const net::Address& address) { black_holes_.push_back(address); }
  // Calls `done` later with a connected end, whose own address is `from`, or with null and an
  // errno; never for a black hole.
  void connect(const net::Address& address, uint32_t window, std::function<void(End*, int)> done,
               const net::Address& from = {});

  // Takes as many bytes as the other end's window allows; 0 when it is full. A negative errno when
  // nothing can be sent any more.
  [[nodiscard]] int64_t write(End& from, std::string_view bytes);
  // Bytes read, 0 at the end of the stream, or a negative errno; only when is_readable().
  [[nodiscard]] int64_t read(End& to, char* address, size_t length);
  void shut_write(End& end);
  void shut_read(End& end);
  // What close() of the last descriptor does: a reset when bytes were left unread, else a FIN.
  void close(End& end);
  // Ends the connection for both; what was on the way is lost.
  void reset(End& end);

  // Ends that neither side has closed nor lost.
  [[nodiscard]] size_t open_ends() const;
  [[nodiscard]] size_t listeners_open() const;

 private:
  struct Connection {
    End ends[2];
  };

  [[nodiscard]] SimListener* find(const net::Address& address);
  End& make_connection(uint32_t window);
  void send_segment(End& from, End::Segment segment);
  void deliver(End& to);
  [[nodiscard]] Duration delay();

  SimClock& clock_;
  EventQueue& events_;
  SimTrace& trace_;
  const FaultPlan& plan_;
  Prng prng_;
  std::vector<std::unique_ptr<SimListener>> listeners_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<net::Address> black_holes_;
  uint16_t next_port_ = 40'000;
};

[[nodiscard]] bool is_same_address(const net::Address& a, const net::Address& b);

}  // namespace sluice::support
