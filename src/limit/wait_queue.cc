#include <sluice/limit/wait_queue.h>

#include <algorithm>

#include <sluice/base/assert.h>

namespace sluice::limit {
namespace {

// Virtual time of a token at weight 1; a thousand is the largest weight.
constexpr uint64_t kTokenTime = 1024;
// A request counts as no more, so that sums stay far from the end of an int64.
constexpr uint64_t kTokensMost = 100'000'000;

}  // namespace

int64_t WaitQueue::charge(uint64_t tokens, uint32_t weight) noexcept {
  // One that uses nothing still takes a turn.
  const uint64_t counted = std::clamp<uint64_t>(tokens, 1, kTokensMost);
  return static_cast<int64_t>(counted * kTokenTime / std::max(1u, weight));
}

WaitQueue::Line* WaitQueue::find_line(TenantId tenant, uint32_t priority) noexcept {
  const auto found = std::ranges::find_if(
      lines_, [&](const Line& line) { return line.tenant == tenant && line.priority == priority; });
  return found == lines_.end() ? nullptr : &*found;
}

WaitQueue::Line& WaitQueue::line_of(const Waiting& waiting) {
  if (Line* const known = find_line(waiting.tenant, waiting.priority)) return *known;
  // One whose tenant would start level with the others anyway remembers nothing.
  const auto spare = std::ranges::find_if(lines_, [this](Line& line) {
    return line.waiting.empty() && line.next_start <= virtual_now_;
  });
  Line& line = spare == lines_.end() ? lines_.emplace_back() : *spare;
  line.tenant = waiting.tenant;
  line.priority = waiting.priority;
  line.next_start = virtual_now_;
  return line;
}

void WaitQueue::add(Waiting& waiting) {
  Line& line = line_of(waiting);
  if (line.waiting.empty()) line.next_start = std::max(line.next_start, virtual_now_);
  line.waiting.push_back(waiting);
  ++size_;
}

void WaitQueue::remove(Waiting& waiting) noexcept {
  waiting.unlink();
  note_left();
}

// When the last has left, everybody starts level.
void WaitQueue::note_left() noexcept {
  --size_;
  if (size_ > 0) return;
  virtual_now_ = 0;
  for (Line& line : lines_) line.next_start = 0;
}

Waiting* WaitQueue::take_next() noexcept {
  Line* next = nullptr;
  for (Line& line : lines_) {
    if (line.waiting.empty()) continue;
    const bool is_before = next == nullptr || line.priority > next->priority ||
                           (line.priority == next->priority &&
                            (line.next_start < next->next_start ||
                             (line.next_start == next->next_start &&
                              line.waiting.front().since < next->waiting.front().since)));
    if (is_before) next = &line;
  }
  if (next == nullptr) return nullptr;
  Waiting* const taken = next->waiting.pop_front();
  virtual_now_ = std::max(virtual_now_, next->next_start);
  next->next_start += charge(taken->tokens, taken->weight);
  --size_;  // Forgets nothing yet: it may be put back.
  return taken;
}

void WaitQueue::put_back(Waiting& waiting) noexcept {
  Line* const line = find_line(waiting.tenant, waiting.priority);
  SLUICE_ASSERT(line != nullptr);  // take_next() has left it with a debt, so it was not reused.
  line->next_start -= charge(waiting.tokens, waiting.weight);
  line->waiting.push_front(waiting);
  ++size_;
}

void WaitQueue::correct(TenantId tenant, uint32_t priority, uint32_t weight, uint64_t estimated,
                        uint64_t used) noexcept {
  if (size_ == 0) return;
  Line* const line = find_line(tenant, priority);
  if (line == nullptr) return;
  line->next_start += charge(used, weight) - charge(estimated, weight);
}

MonoTime WaitQueue::oldest() const noexcept {
  MonoTime oldest = MonoTime::max();
  for (const Line& line : lines_) {
    if (!line.waiting.empty()) oldest = std::min(oldest, line.waiting.front().since);
  }
  return oldest;
}

}  // namespace sluice::limit
