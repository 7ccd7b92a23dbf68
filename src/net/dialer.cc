#include <sluice/net/dialer.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

namespace sluice::net {
namespace {

Unexpected connect_failed(int32_t result) {
  const auto failed = [](std::string_view detail) {
    return fail(ErrorCode::kUpstreamConnect, Side::kUpstream, Retry::kYes, detail);
  };
  switch (-result) {
    case ECONNREFUSED: return failed("connection refused");
    case ETIMEDOUT: return failed("connect timed out");
    case EHOSTUNREACH: return failed("host unreachable");
    case ENETUNREACH: return failed("network unreachable");
    case EADDRNOTAVAIL: return failed("no local port is free");
    default: return failed("connect failed");
  }
}

Result<int> open_for(io::Ring& ring, const Address& address, const DialOptions& options) {
  io::Syscalls& syscalls = ring.syscalls();
  const Result<int> fd = syscalls.open_socket(address.family());
  if (!fd) return fd;
  if (address.family() == AF_UNIX) return fd;
  // Best effort but the first: without TCP_NODELAY a small request would wait for an ACK.
  const Result<void> is_set = syscalls.set_option(*fd, IPPROTO_TCP, TCP_NODELAY, 1);
  [[maybe_unused]] const Result<void> keep_alive =
      syscalls.set_option(*fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  [[maybe_unused]] const Result<void> window =
      syscalls.set_option(*fd, SOL_SOCKET, SO_RCVBUF, options.receive_bytes_max);
  if (!is_set) {
    syscalls.close(*fd);
    return std::unexpected(is_set.error());
  }
  return *fd;
}

// Attempts under way and those still to come.
class Race {
 public:
  Race(io::Ring& ring, const AddressList& addresses, const DialOptions& options) noexcept
      : ring_(ring), addresses_(addresses), options_(options) {}

  io::Op* op(uint32_t lane) noexcept { return fds_[lane] < 0 ? nullptr : &ops_[lane]; }
  [[nodiscard]] bool is_running() const noexcept { return running_ > 0; }
  [[nodiscard]] bool is_over() const noexcept { return running_ == 0 && !has_next(); }
  // When the next attempt begins if nothing happens before.
  [[nodiscard]] Deadline next_start() const noexcept {
    return has_next() && running_ < kAttemptsAtOnce ? next_start_ : Deadline::never();
  }

  void start_due() noexcept {
    while (next_start().has_passed(ring_.now())) start_next();
  }

  // Takes the outcomes that are there.
  void collect() noexcept {
    for (uint32_t lane = 0; lane < kAttemptsAtOnce; ++lane) {
      if (fds_[lane] < 0 || !ops_[lane].is_ready()) continue;
      const int fd = std::exchange(fds_[lane], -1);
      --running_;
      if (ops_[lane].result() >= 0 && winner_ < 0) {
        winner_ = fd;
        continue;
      }
      ring_.close(fd);
      if (ops_[lane].result() >= 0) continue;  // A second one answered in the same turn.
      last_ = connect_failed(ops_[lane].result()).error();
      next_start_ = Deadline{ring_.now()};
    }
  }

  // Begins nothing more and ends what runs; collect() until nothing does.
  void end() noexcept {
    next_ = addresses_.count;
    for (uint32_t lane = 0; lane < kAttemptsAtOnce; ++lane) {
      if (fds_[lane] >= 0) ops_[lane].cancel();
    }
  }

  // Negative when nobody won. Once.
  [[nodiscard]] int take_winner() noexcept { return std::exchange(winner_, -1); }
  [[nodiscard]] bool has_winner() const noexcept { return winner_ >= 0; }
  [[nodiscard]] const Error& last_error() const noexcept { return last_; }

 private:
  [[nodiscard]] bool has_next() const noexcept { return next_ < addresses_.count; }

  void start_next() noexcept {
    const Address& address = addresses_.entries[next_++];
    const Result<int> fd = open_for(ring_, address, options_);
    if (!fd) {
      last_ = fd.error();
      next_ = addresses_.count;
      return;
    }
    uint32_t lane = 0;
    while (fds_[lane] >= 0) ++lane;
    fds_[lane] = *fd;
    ++running_;
    ops_[lane].connect(*fd, address.raw(), address.length);
    next_start_ = Deadline{ring_.now() + kAttemptDelay};
  }

  io::Ring& ring_;
  const AddressList& addresses_;
  const DialOptions& options_;
  std::array<io::Op, kAttemptsAtOnce> ops_{io::Op(ring_), io::Op(ring_), io::Op(ring_)};
  std::array<int, kAttemptsAtOnce> fds_{-1, -1, -1};
  uint32_t running_ = 0;
  uint32_t next_ = 0;
  Deadline next_start_{MonoTime::min()};
  int winner_ = -1;
  Error last_{ErrorCode::kUpstreamConnect, Side::kUpstream, Retry::kYes, "name not resolved"};
};

}  // namespace

Task<Result<int>> dial(io::Ring& ring, AddressList addresses, DialOptions options,
                       Deadline deadline, io::Event* gone) {
  static_assert(kAttemptsAtOnce == 3, "the waits below name each");
  Race race(ring, addresses, options);
  io::Timer timer(ring.ready(), ring.timers());
  std::optional<Error> ended;
  for (race.start_due(); !race.is_over() && !race.has_winner() && !ended; race.start_due()) {
    timer.set(race.next_start().sooner(deadline));
    co_await io::first_of(race.op(0), race.op(1), race.op(2), &timer, gone);
    if (gone != nullptr && gone->is_ready()) {
      ended =
          fail(ErrorCode::kDownstreamLost, Side::kDownstream, "client left during connect").error();
      break;
    }
    race.collect();
    if (deadline.has_passed(ring.now())) ended = connect_failed(-ETIMEDOUT).error();
  }
  race.end();
  while (race.is_running()) {
    co_await io::first_of(race.op(0), race.op(1), race.op(2));
    race.collect();
  }
  const int winner = race.take_winner();
  const bool is_lost = ended && ended->code == ErrorCode::kDownstreamLost;
  if (winner >= 0 && !is_lost) co_return winner;
  if (winner >= 0) ring.close(winner);
  co_return std::unexpected(ended.value_or(race.last_error()));
}

}  // namespace sluice::net
