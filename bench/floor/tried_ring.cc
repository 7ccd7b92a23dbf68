#include "tried_ring.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <system_error>

namespace sluice::bare {
namespace {

// Of kernels newer than the distribution's liburing.
constexpr unsigned kReceiveBundle = 1U << 4;      // IORING_RECVSEND_BUNDLE, 6.10
constexpr unsigned kRingIncrements = 2;           // IOU_PBUF_RING_INC, 6.12
constexpr unsigned kBufferMore = 1U << 4;         // IORING_CQE_F_BUF_MORE, 6.12
constexpr unsigned kFeatureMinTimeout = 1 << 15;  // IORING_FEAT_MIN_TIMEOUT, 6.12

constexpr uint16_t kBufferGroup = 0;
constexpr uint32_t kBundleBytes = 32 * 1024;
constexpr unsigned kSlots = 16384;  // The first half for what is accepted.
constexpr unsigned kSlotsAccepted = kSlots / 2;

int checked(int result, const char* what) {
  if (result >= 0) return result;
  throw std::system_error(result == -1 ? errno : -result, std::generic_category(), what);
}

constexpr unsigned kSingle = IORING_SETUP_SINGLE_ISSUER;

struct Named {
  std::string_view name;
  void (*apply)(Techniques&);
};

constexpr Named kTechniques[] = {
    {"nothing", [](Techniques&) {}},
    {"direct", [](Techniques& t) { t.is_direct = true; }},
    {"multishot", [](Techniques& t) { t.is_multishot = true; }},
    {"ahead", [](Techniques& t) { t.is_ahead = true; }},
    {"bundle", [](Techniques& t) { t.has_bundles = true; }},
    {"increment", [](Techniques& t) { t.has_increments = true; }},
    {"lifo", [](Techniques& t) { t.is_lifo = true; }},
    {"no-poll-first", [](Techniques& t) { t.polls_first = false; }},
    {"no-waitall", [](Techniques& t) { t.sends_whole = false; }},
    {"hot-32", [](Techniques& t) { t.hot = 32; }},
    {"hot-64", [](Techniques& t) { t.hot = 64; }},
    {"hot-256", [](Techniques& t) { t.hot = 256; }},
    {"wait-50us", [](Techniques& t) { t.wait_us = 50, t.wait_count = 8; }},
    {"wait-100us", [](Techniques& t) { t.wait_us = 100, t.wait_count = 8; }},
    {"small-queues", [](Techniques& t) { t.submissions = 512, t.completions = 1024; }},
    {"huge-queues", [](Techniques& t) { t.submissions = 32768, t.completions = 65536; }},
    {"coop-taskrun", [](Techniques& t) { t.task_flags = kSingle | IORING_SETUP_COOP_TASKRUN; }},
    {"plain-taskrun", [](Techniques& t) { t.task_flags = kSingle; }},
};

bool try_name(std::string_view name, Techniques& tried) {
  const auto* found = std::ranges::find(kTechniques, name, &Named::name);
  if (found == std::end(kTechniques)) return false;
  found->apply(tried);
  return true;
}

}  // namespace

std::optional<Techniques> parse_techniques(std::string_view names) {
  Techniques tried;
  while (!names.empty()) {
    const size_t comma = std::min(names.find(','), names.size());
    if (!try_name(names.substr(0, comma), tried)) return std::nullopt;
    names.remove_prefix(std::min(comma + 1, names.size()));
  }
  if (tried.has_bundles && (tried.has_increments || tried.is_lifo)) return std::nullopt;
  if (tried.has_increments) {
    if (tried.is_lifo) return std::nullopt;
    tried.hot = 8;
  }
  return tried;
}

TriedRing::TriedRing(const Techniques& tried)
    : tried_(tried),
      buffer_bytes_(tried.has_increments ? 256 * 1024
                    : tried.has_bundles  ? 4096
                                         : 16 * 1024),
      buffers_most_(tried.has_increments ? 512 : 8192),
      memory_(new char[size_t{buffers_most_} * buffer_bytes_]) {
  open_ring();
  open_buffers();
  if (!tried_.is_direct) return;
  checked(io_uring_register_files_sparse(&ring_, kSlots), "io_uring_register_files");
  checked(io_uring_register_file_alloc_range(&ring_, 0, kSlotsAccepted), "file_alloc_range");
  for (unsigned slot = kSlots; slot > kSlotsAccepted;) {
    free_slots_.push_back(static_cast<int>(--slot));
  }
}

void TriedRing::open_ring() {
  io_uring_params params{};
  params.flags =
      tried_.task_flags | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
  params.cq_entries = tried_.completions;
  checked(io_uring_queue_init_params(tried_.submissions, &ring_, &params), "io_uring_setup");
  if (tried_.wait_us != 0 && (params.features & kFeatureMinTimeout) == 0) {
    throw std::system_error(ENOSYS, std::generic_category(), "a least wait");
  }
  io_uring_register_ring_fd(&ring_);
}

void TriedRing::open_buffers() {
  free_ = static_cast<io_uring_buf_ring*>(
      aligned_alloc(4096, std::max<size_t>(4096, buffers_most_ * sizeof(io_uring_buf))));
  io_uring_buf_ring_init(free_);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uint64_t>(free_);
  registration.ring_entries = buffers_most_;
  registration.bgid = kBufferGroup;
  // The field is called `flags` in newer headers.
  if (tried_.has_increments) registration.pad = kRingIncrements;
  checked(io_uring_register_buf_ring(&ring_, &registration, 0), "io_uring_register_buf_ring");
  uses_.resize(buffers_most_);
  order_.resize(buffers_most_);
  places_.resize(buffers_most_);
  add_buffers();
}

TriedRing::~TriedRing() {
  io_uring_queue_exit(&ring_);
  free(free_);
}

io_uring_sqe* TriedRing::next_entry() {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  if (entry == nullptr) {
    io_uring_submit(&ring_);
    entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) throw std::system_error(EBUSY, std::generic_category(), "io_uring_enter");
  }
  return entry;
}

void TriedRing::finish(io_uring_sqe* entry, Op op, void* owner, bool is_socket) const noexcept {
  if (is_socket && tried_.is_direct) entry->flags |= IOSQE_FIXED_FILE;
  io_uring_sqe_set_data64(entry, reinterpret_cast<uint64_t>(owner) | static_cast<uint64_t>(op));
}

void TriedRing::accept_many(int listener) {
  io_uring_sqe* entry = next_entry();
  if (tried_.is_direct) {
    io_uring_prep_multishot_accept_direct(entry, listener, nullptr, nullptr, 0);
  } else {
    io_uring_prep_multishot_accept(entry, listener, nullptr, nullptr, SOCK_CLOEXEC);
  }
  finish(entry, Op::kAccept, nullptr, false);
}

void TriedRing::connect(int socket, const sockaddr_in& address, void* owner) {
  io_uring_sqe* entry = next_entry();
  io_uring_prep_connect(entry, socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  finish(entry, Op::kConnect, owner);
}

void TriedRing::receive(int socket, void* owner) {
  io_uring_sqe* entry = next_entry();
  if (tried_.is_multishot) {
    io_uring_prep_recv_multishot(entry, socket, nullptr, 0, 0);
  } else {
    io_uring_prep_recv(entry, socket, nullptr, tried_.has_bundles ? kBundleBytes : 0, 0);
  }
  if (tried_.has_bundles) entry->ioprio |= kReceiveBundle;
  if (tried_.polls_first) entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->buf_group = kBufferGroup;
  finish(entry, Op::kReceive, owner);
}

void TriedRing::send(int socket, const Piece& piece, void* owner) {
  io_uring_sqe* entry = next_entry();
  io_uring_prep_send(entry, socket, piece.begin, piece.length,
                     MSG_NOSIGNAL | (tried_.sends_whole ? MSG_WAITALL : 0));
  finish(entry, Op::kSend, owner);
}

void TriedRing::send_many(int socket, const msghdr& message, void* owner) {
  io_uring_sqe* entry = next_entry();
  io_uring_prep_sendmsg(entry, socket, &message,
                        MSG_NOSIGNAL | (tried_.sends_whole ? MSG_WAITALL : 0));
  finish(entry, Op::kSend, owner);
}

void TriedRing::cancel_receive(void* owner) {
  io_uring_sqe* entry = next_entry();
  io_uring_prep_cancel64(
      entry, reinterpret_cast<uint64_t>(owner) | static_cast<uint64_t>(Op::kReceive), 0);
  finish(entry, Op::kCancel, owner, false);
}

void TriedRing::shut_down(int socket, void* owner) {
  io_uring_sqe* entry = next_entry();
  io_uring_prep_shutdown(entry, socket, SHUT_RDWR);
  finish(entry, Op::kShutdown, owner);
}

int TriedRing::add_socket(int fd) {
  if (!tried_.is_direct) return fd;
  if (free_slots_.empty()) throw std::system_error(ENFILE, std::generic_category(), "slots");
  const int slot = free_slots_.back();
  free_slots_.pop_back();
  checked(io_uring_register_files_update(&ring_, static_cast<unsigned>(slot), &fd, 1), "slot");
  close(fd);
  return slot;
}

void TriedRing::remove_socket(int socket) {
  if (!tried_.is_direct) {
    close(socket);
    return;
  }
  const int none = -1;
  io_uring_register_files_update(&ring_, static_cast<unsigned>(socket), &none, 1);
  if (socket >= static_cast<int>(kSlotsAccepted)) free_slots_.push_back(socket);
}

void TriedRing::collect(const io_uring_cqe& entry, std::vector<Piece>& pieces) {
  const auto first = static_cast<uint16_t>(entry.flags >> IORING_CQE_BUFFER_SHIFT);
  auto left = static_cast<uint32_t>(entry.res);
  if (tried_.has_increments) {
    Use& use = uses_[first];
    pieces.push_back({address(first) + use.filled, left, first});
    use.filled += left;
    ++use.held;
    use.is_full = (entry.flags & kBufferMore) == 0;
    return;
  }
  for (uint32_t place = places_[first]; left > 0; ++place) {
    const uint16_t id = order_[place % buffers_most_];
    const uint32_t length = std::min(left, buffer_bytes_);
    pieces.push_back({address(id), length, id});
    left -= length;
    ++taken_;
  }
}

void TriedRing::give_back(const Piece& piece) noexcept {
  if (tried_.has_increments) {
    Use& use = uses_[piece.buffer];
    if (--use.held > 0 || !use.is_full) return;
    use = {};
  }
  recycle(piece.buffer);
}

void TriedRing::recycle(uint16_t id) noexcept {
  if (tried_.is_lifo) {
    stack_.push_back(id);
  } else {
    provide(id);
  }
}

void TriedRing::provide(uint16_t id) noexcept {
  order_[provided_ % buffers_most_] = id;
  places_[id] = provided_++;
  io_uring_buf_ring_add(free_, address(id), buffer_bytes_, id,
                        io_uring_buf_ring_mask(buffers_most_), 0);
  io_uring_buf_ring_advance(free_, 1);
}

void TriedRing::add_buffers() {
  const uint16_t end =
      static_cast<uint16_t>(std::min<unsigned>(unsigned{buffers_} + tried_.hot, buffers_most_));
  while (buffers_ < end) recycle(buffers_++);
}

// Few are with the kernel at a time, since it fills them in the order in which they came.
void TriedRing::top_up() noexcept {
  constexpr uint32_t kProvidedMost = 32;
  while (!stack_.empty() && provided_ - taken_ < kProvidedMost) {
    provide(stack_.back());
    stack_.pop_back();
  }
}

void TriedRing::wait() {
  if (tried_.is_lifo) top_up();
  int result = 0;
  if (tried_.wait_us == 0) {
    result = io_uring_submit_and_wait(&ring_, 1);
  } else {
    // A completion's time is bounded by `wait_us`; without any it waits on for the first.
    io_uring_getevents_arg how{};
    how.pad = tried_.wait_us;  // Called `min_wait_usec` in newer headers.
    __kernel_timespec long_time{.tv_sec = 3600, .tv_nsec = 0};
    how.ts = reinterpret_cast<uint64_t>(&long_time);
    const unsigned flags =
        IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG | IORING_ENTER_REGISTERED_RING;
    result = io_uring_enter2(static_cast<unsigned>(ring_.enter_ring_fd), flush(), tried_.wait_count,
                             flags, reinterpret_cast<sigset_t*>(&how), sizeof how);
  }
  if (result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN ||
      result == -EBUSY) {
    return;
  }
  checked(result, "io_uring_enter");
}

// What liburing does within its own submits: shows the kernel the new entries, and counts them.
unsigned TriedRing::flush() noexcept {
  io_uring_sq& queue = ring_.sq;
  unsigned tail = *queue.ktail;
  while (queue.sqe_head != queue.sqe_tail) {
    queue.array[tail++ & queue.ring_mask] = queue.sqe_head++ & queue.ring_mask;
  }
  io_uring_smp_store_release(queue.ktail, tail);
  return tail - IO_URING_READ_ONCE(*queue.khead);
}

}  // namespace sluice::bare
