// The canned upstream: answers every request with bytes made before, as cheaply as one ring can.
#pragma once

#include <bare_ring.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "answers.h"
#include "request_scan.h"
#include "wheel.h"

namespace sluice::canned {

struct Manner {
  uint32_t events = 50;   // Of a stream.
  int64_t period_ns = 0;  // Between two events of a stream; 0 sends all in one write.
};

class Server {
 public:
  Server(int listener, Manner manner);

  // Until SIGTERM or SIGINT.
  void run();

 private:
  struct alignas(8) Connection : Spoke {
    int fd = -1;
    Request request;        // The one that is being read or answered.
    uint64_t to_drain = 0;  // Of its body.
    std::string held;       // Bytes of requests that are not complete, or not yet due.
    StampedEvent::Chunk chunk{};
    uint32_t events_left = 0;
    uint32_t sending = 0;  // Bytes of the send under way.
    std::string stats;
    bool is_paced = false;
    bool is_ending = false;
  };

  void take(const bare::Done& done);
  void open(int fd);
  void on_received(Connection& connection, int result, uint16_t buffer);
  void on_sent(Connection& connection, int result);
  void take_bytes(Connection& connection, std::string_view bytes);
  void continue_body(Connection& connection);
  void answer(Connection& connection);
  void begin_stream(Connection& connection);
  void send_next_event(Connection& connection);
  void begin_next(Connection& connection);
  void send_stats(Connection& connection);
  void send(Connection& connection, std::string_view bytes);
  void close(Connection& connection);

  bare::BareRing ring_;
  int listener_;
  Manner manner_;
  Wheel wheel_;
  StampedEvent event_;
  uint64_t requests_ = 0;  // POSTs answered.
  uint64_t events_ = 0;    // Of paced streams.
  const std::string unary_, small_, refusal_, head_;
  const std::array<std::string, 2> bursts_, ends_;  // Without and with the usage event.
};

}  // namespace sluice::canned
