#include "name_channel.h"

#include <poll.h>
#include <sys/time.h>

namespace sluice::net {

NameChannel::NameChannel(io::Ring& ring) : ring_(ring), timer_(ring.ready(), ring.timers()) {
  watched_.add(timer_);
}

NameChannel::~NameChannel() {
  if (channel_ != nullptr) ares_destroy(channel_);
  SLUICE_ASSERT(sockets_.empty() && open_questions_ == 0);
  watched_.remove(timer_);
}

bool NameChannel::open(const ResolverSettings& settings) {
  ares_options options{};
  options.timeout = static_cast<int>(settings.timeout / milliseconds(1));
  options.tries = settings.tries;
  options.sock_state_cb = &NameChannel::on_state;
  options.sock_state_cb_data = this;
  constexpr int kGiven = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
  if (ares_init_options(&channel_, &options, kGiven) != ARES_SUCCESS) {
    channel_ = nullptr;
    return false;
  }
  return settings.servers.empty() ||
         ares_set_servers_ports_csv(channel_, settings.servers.c_str()) == ARES_SUCCESS;
}

void NameChannel::on_state(void* self, ares_socket_t fd, int readable, int writable) {
  const auto events =
      static_cast<uint32_t>((readable != 0 ? POLLIN : 0) | (writable != 0 ? POLLOUT : 0));
  static_cast<NameChannel*>(self)->watch(fd, events);
}

void NameChannel::watch(ares_socket_t fd, uint32_t events) {
  const auto known = sockets_.find(fd);
  if (known != sockets_.end()) {
    if (known->second->events == events) return;
    // A poll that is in flight is given up; the number may be another socket's soon.
    watched_.remove(known->second->poll);
    sockets_.erase(known);
  }
  if (events == 0) return;
  auto socket = std::make_unique<Socket>(ring_);
  socket->events = events;
  socket->poll.poll(fd, events);
  watched_.add(socket->poll);
  sockets_.emplace(fd, std::move(socket));
}

void NameChannel::after_asking() {
  timeval left{};
  if (ares_timeout(channel_, nullptr, &left) == nullptr) {
    timer_.clear();
    // The last answer may have come within the asking.
    if (open_questions_ == 0) timer_.trigger();
    return;
  }
  const Duration wait = seconds(left.tv_sec) + microseconds(left.tv_usec);
  // Behind it, not at it, so that the timeout has passed for c-ares too.
  timer_.set(Deadline{ring_.now() + wait + milliseconds(1)});
}

void NameChannel::let_read() {
  std::vector<std::pair<ares_socket_t, uint32_t>> happened;
  for (auto& [fd, socket] : sockets_) {
    if (!socket->poll.is_ready()) continue;
    const int32_t result = socket->poll.result();
    // A failed poll is for c-ares to find out.
    happened.emplace_back(fd, result < 0 ? socket->events : static_cast<uint32_t>(result));
    socket->poll.poll(fd, socket->events);  // Begins behind the reading.
  }
  for (const auto& [fd, events] : happened) {
    const bool is_readable = (events & ~static_cast<uint32_t>(POLLOUT)) != 0;
    const bool is_writable = (events & POLLOUT) != 0;
    ares_process_fd(channel_, is_readable ? fd : ARES_SOCKET_BAD,
                    is_writable ? fd : ARES_SOCKET_BAD);
  }
  ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // Timeouts.
}

Task<void> NameChannel::drive() {
  while (open_questions_ > 0) {
    co_await watched_;
    let_read();
    after_asking();
  }
}

}  // namespace sluice::net
