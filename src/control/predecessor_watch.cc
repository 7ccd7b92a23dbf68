#include <sluice/control/predecessor_watch.h>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sluice/net/descriptor_message.h>

namespace sluice::control {

PredecessorWatch::PredecessorWatch(Parts parts)
    : parts_(parts),
      gate_(parts_.ring.ready()),
      connections_over_(parts_.ring.ready()),
      records_over_(parts_.ring.ready()) {}

PredecessorWatch::~PredecessorWatch() {
  if (records_ >= 0) ::close(records_);
}

void PredecessorWatch::start(int connections, int records) {
  is_busy_ = true;
  io::start_detached(watch_connections(connections));
  records_ = records;
  io::start_detached(watch_records());
}

Task<void> PredecessorWatch::end() {
  connections_over_.trigger();
  records_over_.trigger();
  while (gate_.inside() > 0) {
    gate_.emptied().reset();
    co_await io::first_of(&gate_.emptied());
  }
}

bool PredecessorWatch::is_behind() const noexcept {
  return std::ranges::any_of(parts_.ports, &ShardPort::has_waiting);
}

Task<void> PredecessorWatch::watch_connections(int channel) {
  const shard::Gate::Pass pass = gate_.enter();
  io::Op poll(parts_.ring);
  io::Timer pause(parts_.ring.ready(), parts_.ring.timers());
  while (!connections_over_.is_ready()) {
    if (is_behind()) {
      pause.set(Deadline{parts_.ring.now() + kBehindPause});
      co_await io::first_of(&pause, &connections_over_);
      continue;
    }
    poll.poll(channel, POLLIN);
    co_await io::first_of(&poll, &connections_over_);
    if (poll.is_ready() && !take_connections(channel)) break;
  }
  while (poll.is_in_flight()) {
    poll.cancel();
    co_await io::first_of(&poll);
  }
  ::close(channel);
}

// Goes on through a drain of this process: what the predecessor serves must be booked.
Task<void> PredecessorWatch::watch_records() {
  const shard::Gate::Pass pass = gate_.enter();
  io::Op poll(parts_.ring);
  bool has_ended = false;
  while (!records_over_.is_ready() && !has_ended) {
    poll.poll(records_, POLLIN);
    co_await io::first_of(&poll, &records_over_);
    has_ended = poll.is_ready() && take_records() == Taken::kEnd;
  }
  while (poll.is_in_flight()) {
    poll.cancel();
    co_await io::first_of(&poll);
  }
  is_busy_ = false;
  if (!has_ended) {
    take_last_records();
    co_return;
  }
  ::close(std::exchange(records_, -1));
  if (parts_.spend != nullptr) parts_.spend->predecessor_ended(parts_.ring.now());
  parts_.log.write(LogLevel::kInfo, "upgrade", "the process before this one has ended");
}

// Once it is shut nothing comes in, so that nothing can be given that is not taken.
void PredecessorWatch::take_last_records() {
  ::shutdown(records_, SHUT_RD);
  while (take_records() == Taken::kSome) {
  }
}

PredecessorWatch::Taken PredecessorWatch::take_records() {
  for (int i = 0; i < kTakenAtOnce; ++i) {
    const auto message = net::receive_descriptors(records_);
    if (!message && message.error() == EAGAIN) return Taken::kAll;
    // What stands before a reset can still be read.
    if (!message && message.error() == ECONNRESET) continue;
    if (!message && message.error() != EMSGSIZE) return Taken::kEnd;
    if (parts_.spend == nullptr) continue;
    const std::string_view text = message ? std::string_view(message->text) : std::string_view();
    if (text.starts_with('{')) continue;
    const bool is_good = text.starts_with(kRecordsMark) &&
                         parts_.spend->take_batch(text.substr(1), parts_.ring.now());
    if (!is_good) {
      parts_.log.write(LogLevel::kError, "upgrade",
                       "records of the predecessor are not understood; compare its spend with the "
                       "bills of the providers");
    }
  }
  return Taken::kSome;
}

bool PredecessorWatch::take_connections(int channel) {
  for (int i = 0; i < kTakenAtOnce && !is_behind(); ++i) {
    auto connection = net::take_connection(channel);
    if (!connection && connection.error() == EAGAIN) return true;
    if (!connection && connection.error() == EPIPE) return false;
    // Descriptors may have run out: the client sees a close.
    if (!connection) {
      parts_.log.write(LogLevel::kWarn, "upgrade",
                       "a connection of the predecessor could not be taken");
      return connection.error() != EBADF;
    }
    ShardPort& port = parts_.ports[next_shard_++ % parts_.ports.size()];
    port.send(upstream::TakeConnection{*std::move(connection)});
  }
  return true;
}

}  // namespace sluice::control
