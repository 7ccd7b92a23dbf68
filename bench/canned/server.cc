#include "server.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace sluice::canned {
namespace {

int64_t now_ns() noexcept {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

Server::Server(int listener, Manner manner)
    : listener_(listener),
      manner_(manner),
      wheel_(std::max<int64_t>(manner.period_ns, 1)),
      unary_(render_unary()),
      small_(render_small("200 OK", R"({"status":"ok"})")),
      refusal_(render_small("411 Length Required", R"({"error":{"message":"needs a length"}})")),
      head_(render_stream_head()),
      bursts_{render_burst(manner.events, false), render_burst(manner.events, true)},
      ends_{render_stream_end(false), render_stream_end(true)} {}

void Server::run() {
  ring_.accept_many(listener_);
  while (ring_.turn(wheel_.wait_ns(now_ns()), [this](const bare::Done& done) { take(done); })) {
    wheel_.turn(now_ns(), [this](Spoke& spoke) {
      Connection& connection = static_cast<Connection&>(spoke);
      // A client that takes its events slowly gets them late, and all of them.
      if (connection.sending == 0) send_next_event(connection);
    });
  }
}

void Server::take(const bare::Done& done) {
  if (done.op == bare::Op::kAccept) {
    if (!done.more) ring_.accept_many(listener_);
    if (done.result >= 0) open(done.result);
    return;
  }
  Connection& connection = *static_cast<Connection*>(done.owner);
  switch (done.op) {
    case bare::Op::kReceive: return on_received(connection, done.result, done.buffer);
    case bare::Op::kSend: return on_sent(connection, done.result);
    case bare::Op::kDrain:
      if (done.result <= 0) return close(connection);
      connection.to_drain -= std::min<uint64_t>(done.result, connection.to_drain);
      return continue_body(connection);
    default: return;
  }
}

void Server::open(int fd) {
  bare::set_no_delay(fd);
  Connection* connection = new Connection;
  connection->fd = fd;
  ring_.receive(fd, connection);
}

void Server::on_received(Connection& connection, int result, uint16_t buffer) {
  if (result == -ENOBUFS) {
    ring_.add_buffers();
    return ring_.receive(connection.fd, &connection);
  }
  if (result <= 0) return close(connection);
  const std::string_view bytes(ring_.buffer(buffer), static_cast<size_t>(result));
  if (connection.held.empty()) {
    take_bytes(connection, bytes);
  } else {
    // Moved out, since what is left over is held again.
    std::string all = std::move(connection.held) + std::string(bytes);
    connection.held.clear();
    take_bytes(connection, all);
  }
  ring_.give_back(buffer);
}

void Server::take_bytes(Connection& connection, std::string_view bytes) {
  Request& request = connection.request;
  request = scan_request(bytes);
  if (request.state == Request::State::kPartial) {
    connection.held = bytes;
    return ring_.receive(connection.fd, &connection);
  }
  if (request.state == Request::State::kRefused) return answer(connection);
  const uint64_t here = std::min<uint64_t>(bytes.size(), request.bytes);
  connection.held = bytes.substr(here);
  connection.to_drain = request.bytes - here;
  continue_body(connection);
}

void Server::continue_body(Connection& connection) {
  if (connection.to_drain == 0) return answer(connection);
  constexpr uint64_t kDrainBytesMax = 1 << 20;
  const uint64_t bytes = std::min(connection.to_drain, kDrainBytesMax);
  ring_.drain(connection.fd, static_cast<uint32_t>(bytes), &connection);
}

void Server::answer(Connection& connection) {
  const Request& request = connection.request;
  if (request.state == Request::State::kRefused) {
    connection.is_ending = true;
    return send(connection, refusal_);
  }
  if (request.is_stats) return send_stats(connection);
  if (!request.is_post) return send(connection, small_);
  ++requests_;
  if (!request.wants_stream) return send(connection, unary_);
  if (manner_.period_ns == 0) return send(connection, bursts_[request.wants_usage ? 1 : 0]);
  begin_stream(connection);
}

void Server::begin_stream(Connection& connection) {
  connection.is_paced = true;
  connection.events_left = manner_.events;
  wheel_.add(connection, now_ns());
  send(connection, head_);
}

void Server::send_next_event(Connection& connection) {
  if (connection.events_left == 0) {
    wheel_.remove(connection);
    connection.is_paced = false;
    return send(connection, ends_[connection.request.wants_usage ? 1 : 0]);
  }
  --connection.events_left;
  ++events_;
  event_.render(static_cast<uint64_t>(now_ns()), connection.chunk);
  send(connection, {connection.chunk.data(), connection.chunk.size()});
}

void Server::on_sent(Connection& connection, int result) {
  const bool is_whole = result == static_cast<int>(connection.sending);
  connection.sending = 0;
  if (!is_whole || connection.is_ending) return close(connection);
  if (!connection.is_paced) begin_next(connection);
}

void Server::begin_next(Connection& connection) {
  if (connection.held.empty()) return ring_.receive(connection.fd, &connection);
  const std::string bytes = std::move(connection.held);
  connection.held.clear();
  take_bytes(connection, bytes);
}

void Server::send_stats(Connection& connection) {
  connection.stats = render_small("200 OK", "{\"requests\":" + std::to_string(requests_) +
                                                ",\"events\":" + std::to_string(events_) + "}");
  send(connection, connection.stats);
}

void Server::send(Connection& connection, std::string_view bytes) {
  connection.sending = static_cast<uint32_t>(bytes.size());
  ring_.send(connection.fd, bytes, &connection);
}

// Nothing of the connection is on the ring then: it has one entry at a time.
void Server::close(Connection& connection) {
  if (connection.is_paced) wheel_.remove(connection);
  ::close(connection.fd);
  delete &connection;
}

}  // namespace sluice::canned
