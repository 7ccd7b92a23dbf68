#include "sim_kernel.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "sim_poison.h"

namespace sluice::support {
namespace {

using io::OpCode;

constexpr uint32_t kAcceptsPerLook = 32;
// A ring that asks so often without sleeping, and gets nothing, spins.
constexpr uint64_t kIdleWaitsMax = 200'000;

const char* name_of(OpCode code) {
  switch (code) {
    case OpCode::kAcceptMany: return "accept";
    case OpCode::kConnect: return "connect";
    case OpCode::kRecv: return "recv";
    case OpCode::kRecvInto: return "recv_into";
    case OpCode::kSend: return "send";
    case OpCode::kSendMessage: return "sendmsg";
    case OpCode::kRead: return "read";
    case OpCode::kPollHangup: return "poll_hangup";
    case OpCode::kPoll: return "poll";
    case OpCode::kClose: return "close";
    case OpCode::kCancel: return "cancel";
  }
  return "?";
}

bool is_send(OpCode code) { return code == OpCode::kSend || code == OpCode::kSendMessage; }

// The slices of a send from `offset` on.
std::vector<std::string_view> slices_of(const io::Submission& submission, size_t offset) {
  std::vector<std::string_view> slices;
  if (submission.code == OpCode::kSend) {
    slices.emplace_back(static_cast<const char*>(submission.address), submission.length);
  } else {
    const auto& message = *static_cast<const msghdr*>(submission.address);
    for (size_t i = 0; i < message.msg_iovlen; ++i) {
      const iovec& slice = message.msg_iov[i];
      slices.emplace_back(static_cast<const char*>(slice.iov_base), slice.iov_len);
    }
  }
  for (std::string_view& slice : slices) {
    const size_t skipped = std::min(offset, slice.size());
    slice.remove_prefix(skipped);
    offset -= skipped;
  }
  return slices;
}

uint32_t bytes_of(const io::Submission& submission) {
  size_t sum = 0;
  for (const std::string_view slice : slices_of(submission, 0)) sum += slice.size();
  return static_cast<uint32_t>(sum);
}

}  // namespace

void SimKernel::misuse(const std::string& what) const {
  ADD_FAILURE() << "misuse of the kernel: " << what << describe();
}

std::string SimKernel::describe() const {
  std::string text;
  for (const ArmedOp& op : armed_) {
    text += std::string("\n  armed ") + name_of(op.submission.code) + " on fd " +
            std::to_string(op.submission.fd) + (op.file->is_open ? "" : " (closed)") + ", sent " +
            std::to_string(op.sent);
  }
  return text + files_.describe();
}

void SimKernel::submit(const io::Submission& submission) { queued_.push_back(submission); }

void SimKernel::provide_buffer(uint16_t id, char* address, uint32_t length) {
  const auto is_same = [id](const ProvidedBuffer& buffer) { return buffer.id == id; };
  if (std::any_of(buffers_.begin(), buffers_.end(), is_same) ||
      std::any_of(uncommitted_.begin(), uncommitted_.end(), is_same)) {
    misuse("buffer " + std::to_string(id) + " provided twice");
  }
  uncommitted_.push_back({id, address, length});
}

void SimKernel::commit_buffers() {
  buffers_.insert(buffers_.end(), uncommitted_.begin(), uncommitted_.end());
  uncommitted_.clear();
}

void SimKernel::post(uint64_t token, int64_t result) {
  posted_.push_back({.token = token, .result = static_cast<int32_t>(result)});
}

bool SimKernel::post(const ArmedOp& op, int64_t result, bool more) {
  posted_.push_back(
      {.token = op.submission.token, .result = static_cast<int32_t>(result), .more = more});
  return !more;
}

void SimKernel::start_queued() {
  std::vector<io::Submission> batch;
  batch.swap(queued_);
  for (const io::Submission& submission : batch) start(submission);
}

void SimKernel::start(const io::Submission& submission) {
  trace_.add(clock_.now(), name_of(submission.code), submission.fd, submission.length);
  if (submission.code == OpCode::kCancel) {
    start_cancel(submission);
    return;
  }
  SimFile* file = files_.find(submission.fd);
  if (file == nullptr) {
    misuse(std::string(name_of(submission.code)) + " on fd " + std::to_string(submission.fd) +
           ", which is not open");
    post(submission.token, -EBADF);
    return;
  }
  if (submission.code == OpCode::kClose) {
    files_.close(*file);
    post(submission.token, 0);
    return;
  }
  armed_.push_back({.submission = submission, .file = file});
  ArmedOp& op = armed_.back();
  ++file->ops;
  if (submission.code == OpCode::kConnect) start_connect(op);
  if (is_send(submission.code)) {
    if (std::exchange(file->is_sending, true)) {
      misuse("second send in flight on fd " + std::to_string(submission.fd));
    }
    const uint32_t length = bytes_of(submission);
    if (length > 1 && prng_.chance(plan_.short_send)) {
      op.cut_at = static_cast<uint32_t>(prng_.between(1, length - 1));
    }
  }
  // As the real one: tried at once, armed only when it would have to wait.
  if (try_op(op)) {
    files_.end_op(*file);
    armed_.pop_back();
  } else {
    op.is_polled = true;
  }
}

void SimKernel::start_connect(ArmedOp& op) {
  net::Address address;
  std::memcpy(&address.storage, op.submission.address, op.submission.length);
  address.length = op.submission.length;
  SimFile& file = *op.file;
  file.is_connecting = true;
  net_.connect(address, file.window, [this, &file](End* end, int error) {
    if (end != nullptr && (file.is_gone || !file.is_connecting)) {
      net_.close(*end);  // Given up in the meantime.
      return;
    }
    file.end = end;
    file.connect_error = error;
  });
}

void SimKernel::start_cancel(const io::Submission& submission) {
  const auto target = std::find_if(armed_.begin(), armed_.end(), [&](const ArmedOp& op) {
    return op.submission.token == submission.target && !op.is_cancelled;
  });
  if (target == armed_.end()) {
    post(submission.token, -ENOENT);
    return;
  }
  target->is_cancelled = true;
  if (prng_.chance(plan_.late_cancel)) {
    // As if it were just running: it goes on for a while and ends with its result or the cancel.
    target->is_cancelled = false;
    post(submission.token, -EALREADY);
    events_.after(microseconds(prng_.below(200)), [this, token = submission.target] {
      for (ArmedOp& op : armed_) op.is_cancelled |= op.submission.token == token;
    });
    return;
  }
  post(submission.token, 0);
}

bool SimKernel::end_cancelled(ArmedOp& op) {
  if (op.submission.code == OpCode::kConnect) op.file->is_connecting = false;
  return post(op, op.sent > 0 ? int64_t{op.sent} : -ECANCELED);
}

bool SimKernel::try_op(ArmedOp& op) {
  if (op.is_cancelled) return end_cancelled(op);
  SimFile& file = *op.file;
  switch (op.submission.code) {
    case OpCode::kAcceptMany: return try_accept(op);
    case OpCode::kConnect:
      if (!file.connect_error) return false;
      file.is_connecting = false;
      return post(op, -*file.connect_error);
    case OpCode::kRecv: return try_recv(op);
    case OpCode::kRecvInto: return try_recv_into(op);
    case OpCode::kSend:
    case OpCode::kSendMessage: return try_send(op);
    case OpCode::kRead: return try_read(op);
    case OpCode::kPollHangup:
      if (file.end == nullptr) return post(op, POLLHUP);
      return file.end->is_hung_up() && post(op, POLLRDHUP);
    case OpCode::kPoll:
      if (file.end == nullptr) return post(op, POLLNVAL);
      return file.end->is_readable() && post(op, POLLIN);
    default: return post(op, -EINVAL);
  }
}

bool SimKernel::try_accept(ArmedOp& op) {
  SimListener* listener = op.file->listener;
  if (listener == nullptr || listener->is_shut) return post(op, -EINVAL);
  for (uint32_t i = 0; i < kAcceptsPerLook && !listener->backlog.empty(); ++i) {
    // The connection stays in the backlog, as with the real one.
    if (prng_.chance(plan_.no_descriptor)) return post(op, -EMFILE);
    SimFile& file = files_.open();
    file.end = listener->backlog.front();
    file.connect_error = 0;
    listener->backlog.pop_front();
    post(op, file.fd, true);
  }
  return false;
}

bool SimKernel::try_recv(ArmedOp& op) {
  End* end = op.file->end;
  if (end == nullptr) return post(op, -ENOTCONN);
  // One that was just submitted looks for a buffer before it looks for bytes.
  const bool is_empty = buffers_.empty() || is_starving();
  if (is_empty && (!op.is_polled || end->is_readable())) return post(op, -ENOBUFS);
  if (!end->is_readable()) return false;
  const ProvidedBuffer buffer = buffers_.front();
  allow_access(buffer.address, buffer.length);
  const int64_t count = net_.read(*end, buffer.address, buffer.length);
  post(op, count);
  if (count <= 0) return true;
  buffers_.pop_front();
  posted_.back().buffer = buffer.id;
  posted_.back().has_buffer = true;
  return true;
}

bool SimKernel::try_recv_into(ArmedOp& op) {
  End* end = op.file->end;
  if (end == nullptr) return post(op, -ENOTCONN);
  if (!end->is_readable()) return false;
  char* address = static_cast<char*>(const_cast<void*>(op.submission.address));
  return post(op, net_.read(*end, address, op.submission.length));
}

bool SimKernel::try_send(ArmedOp& op) {
  End* end = op.file->end;
  if (end == nullptr) {
    op.file->is_sending = false;
    return post(op, -ENOTCONN);
  }
  const uint32_t length = bytes_of(op.submission);
  const uint32_t goal = std::min(length, op.cut_at);
  std::string message;  // One write, so that slices travel together.
  for (const std::string_view slice : slices_of(op.submission, op.sent)) message += slice;
  message.resize(goal - op.sent);
  const int64_t taken = net_.write(*end, message);
  if (taken > 0) op.sent += static_cast<uint32_t>(taken);
  if (taken >= 0 && op.sent < goal) return false;
  op.file->is_sending = false;
  return post(op, op.sent > 0 ? int64_t{op.sent} : taken);
}

bool SimKernel::try_read(ArmedOp& op) {
  SimFile& file = *op.file;
  if (!file.is_eventfd || op.submission.length < sizeof file.count) return post(op, -EINVAL);
  if (file.count == 0) return false;
  std::memcpy(const_cast<void*>(op.submission.address), &file.count, sizeof file.count);
  file.count = 0;
  return post(op, sizeof file.count);
}

void SimKernel::pump() {
  for (bool moved = true; moved;) {
    moved = false;
    for (auto op = armed_.begin(); op != armed_.end();) {
      if (!try_op(*op)) {
        ++op;
        continue;
      }
      moved = true;
      if (is_send(op->submission.code)) op->file->is_sending = false;
      files_.end_op(*op->file);
      op = armed_.erase(op);
    }
  }
}

void SimKernel::shuffle() {
  // Any order between operations, but those of one multishot stay in theirs.
  for (size_t i = posted_.size(); i > 1; --i) {
    const size_t j = prng_.below(i);
    const size_t low = std::min(i - 1, j), high = std::max(i - 1, j);
    bool is_free = true;
    for (size_t k = low; k <= high && is_free; ++k) {
      is_free = (k == low || posted_[k].token != posted_[low].token) &&
                (k == high || posted_[k].token != posted_[high].token);
    }
    if (is_free) std::swap(posted_[low], posted_[high]);
  }
}

size_t SimKernel::hand_over(std::span<io::KernelCompletion> completions) {
  if (posted_.size() > 1 && prng_.chance(plan_.reorder)) shuffle();
  size_t count = std::min(completions.size(), posted_.size());
  if (count > 1 && prng_.chance(plan_.hold_back)) count = prng_.between(1, count - 1);
  for (size_t i = 0; i < count; ++i) {
    completions[i] = posted_.front();
    posted_.pop_front();
    trace_.add(clock_.now(), "completion", static_cast<int64_t>(completions[i].token),
               completions[i].result, completions[i].has_buffer);
  }
  return count;
}

void SimKernel::rest_until(std::optional<MonoTime> until) {
  // Once at least, so that others run between two turns that have work.
  do {
    bed_->rest(until);
    pump();
  } while (posted_.empty() && !(until && *until <= clock_.now()));
}

size_t SimKernel::wait(std::optional<Duration> timeout,
                       std::span<io::KernelCompletion> completions) {
  is_stuck_ = false;
  const auto cost = static_cast<uint64_t>(plan_.turn_cost_max.count());
  clock_.advance(Duration(static_cast<int64_t>(prng_.below(cost))));
  events_.run_due();
  if (prng_.chance(plan_.starve)) {
    const uint64_t length = prng_.below(static_cast<uint64_t>(plan_.starve_max.count()));
    starving_until_ = clock_.now() + Duration(static_cast<int64_t>(length));
  }
  // What has arrived and what is submitted race, as they do in earnest.
  if (prng_.chance(500)) pump();
  start_queued();
  pump();
  const std::optional<MonoTime> until =
      timeout ? std::optional(clock_.now() + *timeout) : std::nullopt;
  if (bed_ != nullptr) rest_until(until);
  while (bed_ == nullptr && posted_.empty()) {
    const std::optional<MonoTime> next = events_.next();
    if (!next && !until) {
      is_stuck_ = true;
      return 0;
    }
    if (!next || (until && *until < *next)) {
      clock_.advance_to(*until);
      break;
    }
    clock_.advance_to(*next);
    events_.run_due();
    pump();
    if (posted_.empty() && stop_ != nullptr && (*stop_)()) return 0;
  }
  const bool is_idle = posted_.empty() && timeout == Duration::zero();
  idle_waits_ = is_idle ? idle_waits_ + 1 : 0;
  if (idle_waits_ > kIdleWaitsMax) is_stuck_ = true;
  return hand_over(completions);
}

}  // namespace sluice::support
