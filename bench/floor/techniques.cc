// The floor relay with one technique of the ring at a time, to be measured beside the floor.
// What was found is in docs/decisions/0003-ring-techniques.md.

#include <bare_ring.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "tried_ring.h"

namespace sluice::bare {
namespace {

constexpr size_t kPiecesBehind = 8;  // From so many unsent ones on, nothing more is received.
constexpr size_t kPiecesSent = 16;   // The most in one send.

struct Pair;

// One of the two sockets, and what came from it and is not sent yet.
struct alignas(8) Side {
  Pair* pair = nullptr;
  Side* other = nullptr;
  int socket = -1;
  std::vector<Piece> pieces;
  size_t sending = 0;  // How many of the first pieces are on the ring.
  bool is_receiving = false;
  bool is_cancelling = false;
  msghdr message{};
  std::array<iovec, kPiecesSent> parts{};
};

struct Pair {
  Side client;
  Side upstream;
  unsigned ops = 0;  // On the ring; the pair may go once there are none.
  bool is_ending = false;
};

class Relay {
 public:
  Relay(int listener, sockaddr_in upstream, const Techniques& tried)
      : tried_(tried), ring_(tried), listener_(listener), upstream_(upstream) {}

  [[noreturn]] void run() {
    ring_.accept_many(listener_);
    while (true) {
      ring_.turn([this](TriedRing::Op op, void* owner, const io_uring_cqe& entry) {
        take(op, owner, entry);
      });
    }
  }

 private:
  void take(TriedRing::Op op, void* owner, const io_uring_cqe& entry) {
    const bool has_more = (entry.flags & IORING_CQE_F_MORE) != 0;
    if (op == TriedRing::Op::kAccept) {
      if (!has_more) ring_.accept_many(listener_);
      if (entry.res >= 0) open_pair(entry.res);
      return;
    }
    Side& side = *static_cast<Side*>(owner);
    if (!has_more) --side.pair->ops;
    switch (op) {
      case TriedRing::Op::kConnect: on_connected(side, entry.res); break;
      case TriedRing::Op::kReceive: on_received(side, entry, has_more); break;
      case TriedRing::Op::kSend: on_sent(side, entry.res); break;
      default: break;
    }
    if (side.pair->is_ending && side.pair->ops == 0) close_pair(side.pair);
  }

  void open_pair(int accepted) {
    Pair* pair = new Pair;
    const int fd = new_socket();
    set_no_delay(fd);
    pair->client.pair = pair->upstream.pair = pair;
    pair->client.other = &pair->upstream;
    pair->upstream.other = &pair->client;
    pair->client.socket = accepted;
    pair->upstream.socket = ring_.add_socket(fd);
    ++pair->ops;
    ring_.connect(pair->upstream.socket, upstream_, &pair->upstream);
  }

  void on_connected(Side& upstream, int result) {
    if (result < 0) return end(*upstream.pair);
    receive(upstream);
    receive(*upstream.other);
  }

  void on_received(Side& from, const io_uring_cqe& entry, bool has_more) {
    if (!has_more) from.is_receiving = from.is_cancelling = false;
    if (entry.res > 0) {
      ring_.collect(entry, from.pieces);
      send(from);
      if (tried_.is_multishot || tried_.is_ahead) receive(from);
      hold(from);
    } else if (entry.res == -ENOBUFS) {
      ring_.add_buffers();
      receive(from);
    } else if (entry.res == -ECANCELED) {
      receive(from);
    } else {
      end(*from.pair);
    }
  }

  // A client that does not read makes its upstream wait.
  void hold(Side& from) {
    if (from.pieces.size() < kPiecesBehind || !from.is_receiving || from.is_cancelling) return;
    from.is_cancelling = true;
    ++from.pair->ops;
    ring_.cancel_receive(&from);
  }

  void send(Side& from) {
    if (from.sending > 0 || from.pieces.empty() || from.pair->is_ending) return;
    from.sending = std::min(from.pieces.size(), kPiecesSent);
    ++from.pair->ops;
    if (from.sending == 1) return ring_.send(from.other->socket, from.pieces[0], &from);
    for (size_t i = 0; i < from.sending; ++i) {
      from.parts[i] = {from.pieces[i].begin, from.pieces[i].length};
    }
    from.message.msg_iov = from.parts.data();
    from.message.msg_iovlen = from.sending;
    ring_.send_many(from.other->socket, from.message, &from);
  }

  void on_sent(Side& from, int result) {
    from.sending = 0;
    if (result <= 0) return end(*from.pair);
    auto left = static_cast<uint32_t>(result);
    size_t done = 0;
    for (; done < from.pieces.size() && from.pieces[done].length <= left; ++done) {
      left -= from.pieces[done].length;
      ring_.give_back(from.pieces[done]);
    }
    from.pieces.erase(from.pieces.begin(), from.pieces.begin() + static_cast<ptrdiff_t>(done));
    if (left > 0) {
      from.pieces[0].begin += left;
      from.pieces[0].length -= left;
    }
    send(from);
    receive(from);
  }

  // Arms the receive unless it is armed or its turn has not come.
  void receive(Side& from) {
    if (from.is_receiving || from.pair->is_ending) return;
    const size_t behind = tried_.is_multishot || tried_.is_ahead ? kPiecesBehind : 1;
    if (from.pieces.size() >= behind) return;
    from.is_receiving = true;
    ++from.pair->ops;
    ring_.receive(from.socket, &from);
  }

  // Both sockets are shut down, so that what is on the ring completes.
  void end(Pair& pair) {
    if (pair.is_ending) return;
    pair.is_ending = true;
    for (Side* side : {&pair.client, &pair.upstream}) {
      ++pair.ops;
      ring_.shut_down(side->socket, side);
    }
  }

  void close_pair(Pair* pair) {
    for (Side* side : {&pair->client, &pair->upstream}) {
      for (const Piece& piece : side->pieces) ring_.give_back(piece);
      ring_.remove_socket(side->socket);
    }
    delete pair;
  }

  Techniques tried_;
  TriedRing ring_;
  int listener_;
  sockaddr_in upstream_;
};

int run(const std::string& listen, const std::string& upstream, const std::string& names) {
  auto own = parse_address(listen);
  const auto target = parse_address(upstream);
  const auto tried = parse_techniques(names);
  if (!own || !target || !tried) {
    std::fputs(tried ? "sluice-techniques: addresses look like 127.0.0.1:8080\n"
                     : "sluice-techniques: --try: unknown, or not to be tried together\n",
               stderr);
    return 2;
  }
  raise_descriptor_limit();
  const int listener = listen_on(*own);
  set_no_delay(listener);  // What is accepted inherits it.
  Relay relay(listener, *target, *tried);
  announce(*own, "");
  relay.run();
}

}  // namespace
}  // namespace sluice::bare

int main(int argc, char** argv) {
  std::string listen = "127.0.0.1:0", upstream, names;
  CLI::App app("The floor relay with other techniques of the ring, to be compared with it.");
  app.add_option("--listen", listen, "where clients connect; port 0 is any");
  app.add_option("--upstream", upstream, "where their bytes go")->required();
  app.add_option("--try", names, "techniques with commas between, as tried_ring.cc names them");
  CLI11_PARSE(app, argc, argv);
  try {
    return sluice::bare::run(listen, upstream, names);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "sluice-techniques: %s\n", failure.what());
    return 1;
  }
}
