// The floor relay: the least that a relay on io_uring can do. Bytes go from each client to an
// upstream connection of its own and back, unread.

#include <bare_ring.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <string>

#include <CLI/CLI.hpp>

namespace sluice::bare {
namespace {

struct Pair;

// One of the two sockets, and the bytes that came from it. Either a receive from it is under way
// or a send of what it gave, never both: that is all the back-pressure there is.
struct alignas(8) Side {
  Pair* pair = nullptr;
  Side* other = nullptr;
  int fd = -1;
  uint16_t buffer = 0;
  uint32_t length = 0;
};

struct Pair {
  Side client;
  Side upstream;
  unsigned ops = 0;  // On the ring; the pair may go once there are none.
  bool is_ending = false;
};

class Floor {
 public:
  Floor(int listener, sockaddr_in upstream) : listener_(listener), upstream_(upstream) {}

  void run() {
    ring_.accept_many(listener_);
    while (ring_.turn(std::nullopt, [this](const Done& done) { take(done); })) {
    }
  }

 private:
  void take(const Done& done) {
    if (done.op == Op::kAccept) {
      if (!done.more) ring_.accept_many(listener_);
      if (done.result >= 0) open_pair(done.result);
      return;
    }
    Side& side = *static_cast<Side*>(done.owner);
    --side.pair->ops;
    switch (done.op) {
      case Op::kConnect: on_connected(side, done.result); break;
      case Op::kReceive: on_received(side, done.result, done.buffer); break;
      case Op::kSend: on_sent(side, done.result); break;
      default: break;
    }
    if (side.pair->is_ending && side.pair->ops == 0) close_pair(side.pair);
  }

  void open_pair(int fd) {
    Pair* pair = new Pair;
    pair->client = {.pair = pair, .other = &pair->upstream, .fd = fd};
    pair->upstream = {.pair = pair, .other = &pair->client, .fd = new_socket()};
    set_no_delay(pair->client.fd);
    set_no_delay(pair->upstream.fd);
    ++pair->ops;
    ring_.connect(pair->upstream.fd, upstream_, &pair->upstream);
  }

  void on_connected(Side& upstream, int result) {
    if (result < 0) return end(*upstream.pair);
    receive(upstream);
    receive(*upstream.other);
  }

  void on_received(Side& from, int result, uint16_t buffer) {
    if (result == -ENOBUFS && !from.pair->is_ending) {
      ring_.add_buffers();
      return receive(from);
    }
    if (result <= 0) return end(*from.pair);
    if (from.pair->is_ending) return ring_.give_back(buffer);
    from.buffer = buffer;
    from.length = static_cast<uint32_t>(result);
    ++from.pair->ops;
    ring_.send(from.other->fd, {ring_.buffer(buffer), from.length}, &from);
  }

  void on_sent(Side& from, int result) {
    ring_.give_back(from.buffer);
    if (result != static_cast<int>(from.length)) return end(*from.pair);
    if (!from.pair->is_ending) receive(from);
  }

  void receive(Side& from) {
    ++from.pair->ops;
    ring_.receive(from.fd, &from);
  }

  // Both sockets are shut down, so that what is on the ring completes.
  void end(Pair& pair) {
    if (pair.is_ending) return;
    pair.is_ending = true;
    shutdown(pair.client.fd, SHUT_RDWR);
    shutdown(pair.upstream.fd, SHUT_RDWR);
  }

  void close_pair(Pair* pair) {
    close(pair->client.fd);
    close(pair->upstream.fd);
    delete pair;
  }

  BareRing ring_;
  int listener_;
  sockaddr_in upstream_;
};

int run(const std::string& listen, const std::string& upstream, const std::string& port_file) {
  auto own = parse_address(listen);
  const auto target = parse_address(upstream);
  if (!own || !target) {
    std::fputs("sluice-floor: addresses look like 127.0.0.1:8080\n", stderr);
    return 2;
  }
  raise_descriptor_limit();
  Floor floor(listen_on(*own), *target);
  announce(*own, port_file);
  floor.run();
  return 0;
}

}  // namespace
}  // namespace sluice::bare

int main(int argc, char** argv) {
  std::string listen = "127.0.0.1:0", upstream, port_file;
  CLI::App app("Passes bytes between each client and an upstream connection, and does no more.");
  app.add_option("--listen", listen, "where clients connect; port 0 is any");
  app.add_option("--upstream", upstream, "where their bytes go")->required();
  app.add_option("--port-file", port_file, "file that gets the port");
  CLI11_PARSE(app, argc, argv);
  try {
    return sluice::bare::run(listen, upstream, port_file);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "sluice-floor: %s\n", failure.what());
    return 1;
  }
}
