#include "sim_net.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sluice/base/assert.h>

namespace sluice::support {
namespace {

constexpr size_t kDribbleBytes = 40;

std::string_view ip_of(const net::Address& address) {
  if (address.family() == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address.storage);
    return {reinterpret_cast<const char*>(&v6.sin6_addr), sizeof v6.sin6_addr};
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address.storage);
  return {reinterpret_cast<const char*>(&v4.sin_addr), sizeof v4.sin_addr};
}

bool is_any(std::string_view ip) {
  return std::all_of(ip.begin(), ip.end(), [](char byte) { return byte == 0; });
}

// Whether a listener at `own` takes connections to `wanted`.
bool covers(const net::Address& own, const net::Address& wanted) {
  return own.family() == wanted.family() && own.port() == wanted.port() &&
         (is_any(ip_of(own)) || ip_of(own) == ip_of(wanted));
}

void set_port(net::Address& address, uint16_t port) {
  if (address.family() == AF_INET6) {
    reinterpret_cast<sockaddr_in6&>(address.storage).sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in&>(address.storage).sin_port = htons(port);
  }
}

}  // namespace

bool is_same_address(const net::Address& a, const net::Address& b) {
  return a.family() == b.family() && a.port() == b.port() && ip_of(a) == ip_of(b);
}

SimListener* SimNet::listen(net::Address address, bool shares_port) {
  if (address.port() == 0) set_port(address, next_port_++);
  for (const auto& other : listeners_) {
    const bool clashes =
        other->is_open && (covers(other->address, address) || covers(address, other->address));
    if (clashes && !(shares_port && other->shares_port)) return nullptr;
  }
  listeners_.push_back(std::make_unique<SimListener>());
  listeners_.back()->address = address;
  listeners_.back()->shares_port = shares_port;
  return listeners_.back().get();
}

void SimNet::close(SimListener& listener) {
  listener.is_open = false;
  listener.is_shut = true;
  for (End* waiting : listener.backlog) {
    waiting->is_closed = true;
    reset(*waiting);
  }
  listener.backlog.clear();
}

SimListener* SimNet::find(const net::Address& address) {
  std::vector<SimListener*> found;
  for (const auto& listener : listeners_) {
    if (listener->is_open && !listener->is_shut && covers(listener->address, address)) {
      found.push_back(listener.get());
    }
  }
  return found.empty() ? nullptr : found[prng_.below(found.size())];
}

End& SimNet::make_connection(uint32_t window) {
  connections_.push_back(std::make_unique<Connection>());
  Connection& connection = *connections_.back();
  for (int i = 0; i < 2; ++i) {
    connection.ends[i].id = static_cast<int64_t>(connections_.size()) * 2 + i;
    connection.ends[i].other = &connection.ends[1 - i];
    connection.ends[i].last_arrival = clock_.now();
  }
  connection.ends[0].window = window;
  return connection.ends[0];
}

void SimNet::connect(const net::Address& address, uint32_t window,
                     std::function<void(End*, int)> done, const net::Address& from) {
  const bool is_lost =
      std::any_of(black_holes_.begin(), black_holes_.end(),
                  [&](const net::Address& hole) { return is_same_address(hole, address); });
  if (is_lost) return;
  const bool is_refused = prng_.chance(plan_.refuse);
  events_.after(delay(), [this, address, window, is_refused, done = std::move(done), from] {
    SimListener* listener = is_refused ? nullptr : find(address);
    if (listener == nullptr) {
      trace_.add(clock_.now(), "refused", address.port());
      done(nullptr, ECONNREFUSED);
      return;
    }
    End& end = make_connection(window);
    end.address = from;
    end.other->address = address;
    trace_.add(clock_.now(), "connected", end.id, address.port());
    done(&end, 0);
    if (listener->on_accept) {
      listener->on_accept(*end.other);
    } else {
      listener->backlog.push_back(end.other);
    }
  });
}

Duration SimNet::delay() {
  Duration result = plan_.delay_min;
  const Duration spread = plan_.delay_max - plan_.delay_min;
  if (spread > Duration::zero()) {
    result += Duration(static_cast<int64_t>(prng_.below(static_cast<uint64_t>(spread.count()))));
  }
  if (prng_.chance(plan_.stall)) {
    result +=
        Duration(static_cast<int64_t>(prng_.below(static_cast<uint64_t>(plan_.stall_max.count()))));
  }
  return result;
}

void SimNet::send_segment(End& from, End::Segment segment) {
  End& to = *from.other;
  to.arriving_bytes += segment.bytes.size();
  to.arriving.push_back(std::move(segment));
  to.last_arrival = std::max(to.last_arrival, clock_.now() + delay());
  events_.at(to.last_arrival, [this, &to] { deliver(to); });
}

int64_t SimNet::write(End& from, std::string_view bytes) {
  if (from.pending_error != 0) return -std::exchange(from.pending_error, 0);
  if (from.fin_sent || from.is_reset) return -EPIPE;
  const End& to = *from.other;
  const size_t used = to.inbox.size() + to.arriving_bytes;
  const size_t room = to.window > used ? to.window - used : 0;
  const std::string_view taken = bytes.substr(0, room);
  if (taken.empty()) return 0;
  std::string_view rest = taken;
  const bool dribbles = prng_.chance(plan_.dribble);
  const bool splits = prng_.chance(plan_.split);
  for (size_t pieces = 0; !rest.empty(); ++pieces) {
    size_t length = rest.size();
    if (dribbles && pieces < kDribbleBytes) {
      length = 1;
    } else if (splits && pieces < 4) {
      length = prng_.between(1, rest.size());
    }
    send_segment(from, {.bytes = std::string(rest.substr(0, length))});
    rest.remove_prefix(length);
  }
  return static_cast<int64_t>(taken.size());
}

int64_t SimNet::read(End& to, char* address, size_t length) {
  if (!to.inbox.empty()) {
    const size_t count = std::min(length, to.inbox.size());
    std::memcpy(address, to.inbox.data(), count);
    to.inbox.erase(0, count);
    // Room in the window: a peer that waits to send learns of it at once.
    if (to.other->watcher != nullptr && !to.other->is_closed) {
      events_.after(Duration::zero(), [&other = *to.other] {
        if (other.watcher != nullptr) other.watcher->on_change();
      });
    }
    return static_cast<int64_t>(count);
  }
  if (to.fin_received) return 0;
  if (to.pending_error != 0) return -std::exchange(to.pending_error, 0);
  SLUICE_ASSERT(to.is_read_shut || to.is_reset);
  return 0;
}

void SimNet::shut_write(End& end) {
  if (end.fin_sent || end.is_reset) return;
  end.fin_sent = true;
  send_segment(end, {.is_fin = true});
}

void SimNet::shut_read(End& end) { end.is_read_shut = true; }

void SimNet::close(End& end) {
  if (end.is_closed) return;
  end.is_closed = true;
  end.watcher = nullptr;
  trace_.add(clock_.now(), "closed", end.id, static_cast<int64_t>(end.inbox.size()));
  if (!end.inbox.empty() && !end.is_reset) {
    send_segment(end, {.is_reset = true});
    end.is_reset = true;
    return;
  }
  shut_write(end);
}

void SimNet::reset(End& end) {
  trace_.add(clock_.now(), "reset", end.id);
  for (End* side : {&end, end.other}) {
    if (side->is_reset) continue;
    side->is_reset = true;
    side->pending_error = side->fin_received ? EPIPE : ECONNRESET;
    side->arriving_bytes = 0;
    for (End::Segment& segment : side->arriving) segment = {};
    if (side->watcher != nullptr) {
      events_.after(Duration::zero(), [side] {
        if (side->watcher != nullptr) side->watcher->on_change();
      });
    }
  }
}

void SimNet::deliver(End& to) {
  SLUICE_ASSERT(!to.arriving.empty());
  const End::Segment segment = std::move(to.arriving.front());
  to.arriving.pop_front();
  if (to.is_reset) return;
  to.arriving_bytes -= segment.bytes.size();
  trace_.add(clock_.now(), "arrived", to.id, static_cast<int64_t>(segment.bytes.size()),
             segment.is_fin + 2 * segment.is_reset);
  if (!segment.bytes.empty() && prng_.chance(plan_.reset)) {
    reset(to);
    return;
  }
  if (segment.is_reset) {
    to.is_reset = true;
    to.pending_error = to.fin_received ? EPIPE : ECONNRESET;
  } else if (to.is_closed) {
    // A connection whose program is gone answers bytes by a reset; the sender's next call fails.
    if (segment.bytes.empty()) return;
    to.is_reset = true;
    if (!to.other->is_reset) send_segment(to, {.is_reset = true});
    return;
  } else if (segment.is_fin) {
    to.fin_received = true;
  } else {
    to.inbox += segment.bytes;
    to.bytes_arrived += segment.bytes.size();
  }
  if (to.watcher != nullptr) to.watcher->on_change();
}

size_t SimNet::open_ends() const {
  size_t count = 0;
  for (const auto& connection : connections_) {
    for (const End& end : connection->ends) count += !end.is_closed && !end.is_reset;
  }
  return count;
}

size_t SimNet::listeners_open() const {
  size_t count = 0;
  for (const auto& listener : listeners_) count += listener->is_open;
  return count;
}

}  // namespace sluice::support
