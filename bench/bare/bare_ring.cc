#include "bare_ring.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <system_error>

namespace sluice::bare {
namespace {

constexpr unsigned kSubmissions = 4096;
constexpr unsigned kCompletions = 16384;
constexpr uint16_t kBufferGroup = 0;
constexpr int kBacklog = 4096;

// Throws unless `result` is a success; calls of liburing return the error, others set errno.
int checked(int result, const char* what) {
  if (result >= 0) return result;
  throw std::system_error(result == -1 ? errno : -result, std::generic_category(), what);
}

int open_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  checked(sigprocmask(SIG_BLOCK, &signals, nullptr), "sigprocmask");
  return checked(signalfd(-1, &signals, SFD_CLOEXEC), "signalfd");
}

}  // namespace

std::optional<sockaddr_in> parse_address(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string host(text.substr(0, colon));
  const std::string_view port = text.substr(colon + 1);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size()) return std::nullopt;
  address.sin_port = htons(number);
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) return std::nullopt;
  return address;
}

BareRing::BareRing() : memory_(new char[size_t{kBuffersMax} * kBufferBytes]) {
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
  params.cq_entries = kCompletions;
  checked(io_uring_queue_init_params(kSubmissions, &ring_, &params), "io_uring_setup");
  io_uring_register_ring_fd(&ring_);
  free_ = static_cast<io_uring_buf_ring*>(
      aligned_alloc(4096, size_t{kBuffersMax} * sizeof(io_uring_buf)));
  io_uring_buf_ring_init(free_);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uint64_t>(free_);
  registration.ring_entries = kBuffersMax;
  registration.bgid = kBufferGroup;
  checked(io_uring_register_buf_ring(&ring_, &registration, 0), "io_uring_register_buf_ring");
  add_buffers();
  stop_fd_ = open_signals();
  io_uring_sqe* entry = next_entry();
  io_uring_prep_read(entry, stop_fd_, stop_bytes_.data(), static_cast<unsigned>(stop_bytes_.size()),
                     0);
  tag(entry, Op::kStop, nullptr);
  // The pace of canned events is finer than the kernel's usual slack of 50 us.
  prctl(PR_SET_TIMERSLACK, 1UL);
}

BareRing::~BareRing() {
  io_uring_queue_exit(&ring_);
  free(free_);
  close(stop_fd_);
}

io_uring_sqe* BareRing::next_entry() {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  if (entry == nullptr) {
    io_uring_submit(&ring_);
    entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) throw std::system_error(EBUSY, std::generic_category(), "io_uring_enter");
  }
  return entry;
}

void BareRing::tag(io_uring_sqe* entry, Op op, void* owner) noexcept {
  io_uring_sqe_set_data64(entry, reinterpret_cast<uint64_t>(owner) | static_cast<uint64_t>(op));
}

void BareRing::accept_many(int listener) {
  io_uring_sqe* entry = next_entry();
  io_uring_prep_multishot_accept(entry, listener, nullptr, nullptr, SOCK_CLOEXEC);
  tag(entry, Op::kAccept, nullptr);
}

void BareRing::connect(int fd, const sockaddr_in& address, void* owner) {
  io_uring_sqe* entry = next_entry();
  io_uring_prep_connect(entry, fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  tag(entry, Op::kConnect, owner);
}

void BareRing::receive(int fd, void* owner) {
  io_uring_sqe* entry = next_entry();
  io_uring_prep_recv(entry, fd, nullptr, 0, 0);
  entry->flags |= IOSQE_BUFFER_SELECT;
  // The next bytes are an answer, or a question after one: a try at once would find nothing.
  entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
  entry->buf_group = kBufferGroup;
  tag(entry, Op::kReceive, owner);
}

void BareRing::drain(int fd, uint32_t bytes, void* owner) {
  io_uring_sqe* entry = next_entry();
  io_uring_prep_recv(entry, fd, nullptr, bytes, MSG_TRUNC);
  tag(entry, Op::kDrain, owner);
}

void BareRing::send(int fd, std::string_view bytes, void* owner) {
  io_uring_sqe* entry = next_entry();
  io_uring_prep_send(entry, fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_WAITALL);
  tag(entry, Op::kSend, owner);
}

void BareRing::give_back(uint16_t id) noexcept {
  io_uring_buf_ring_add(free_, buffer(id), kBufferBytes, id, io_uring_buf_ring_mask(kBuffersMax),
                        0);
  io_uring_buf_ring_advance(free_, 1);
}

void BareRing::add_buffers() {
  const uint16_t end = std::min<uint16_t>(buffers_ + kBuffersStep, kBuffersMax);
  while (buffers_ < end) give_back(buffers_++);
}

void BareRing::wait(std::optional<int64_t> timeout_ns) {
  constexpr int64_t kSecond = 1'000'000'000;
  __kernel_timespec time{};
  if (timeout_ns) time = {.tv_sec = *timeout_ns / kSecond, .tv_nsec = *timeout_ns % kSecond};
  io_uring_cqe* first = nullptr;
  const int result =
      io_uring_submit_and_wait_timeout(&ring_, &first, 1, timeout_ns ? &time : nullptr, nullptr);
  // EAGAIN and EBUSY: the kernel wants completions reaped first; the rest goes out with the next.
  if (result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN ||
      result == -EBUSY) {
    return;
  }
  checked(result, "io_uring_enter");
}

int listen_on(sockaddr_in& address) {
  const int fd = new_socket();
  const int on = 1;
  socklen_t length = sizeof address;
  sockaddr* generic = reinterpret_cast<sockaddr*>(&address);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  checked(bind(fd, generic, sizeof address), "bind");
  checked(listen(fd, kBacklog), "listen");
  checked(getsockname(fd, generic, &length), "getsockname");
  return fd;
}

int new_socket() { return checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"); }

void set_no_delay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void announce(const sockaddr_in& address, const std::string& file) {
  std::array<char, INET_ADDRSTRLEN> host{};
  inet_ntop(AF_INET, &address.sin_addr, host.data(), host.size());
  const unsigned port = ntohs(address.sin_port);
  std::printf("listening on http://%s:%u\n", host.data(), port);
  std::fflush(stdout);
  if (!file.empty()) std::ofstream(file) << port << '\n';
}

}  // namespace sluice::bare
