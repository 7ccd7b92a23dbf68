#include <sluice/limit/wait_queue.h>

#include <algorithm>

#include <sluice/base/assert.h>

namespace sluice::limit {
namespace {

// Virtual time of a token at weight 1; a thousand is the largest weight that can be configured.
constexpr uint64_t kTokenTime = 1024;
// A request counts as no more, so that sums stay far from the end of an int64.
constexpr uint64_t kTokensMost = 100'000'000;

}  // namespace

int64_t WaitQueue::charge(uint64_t tokens, uint32_t weight) noexcept {
  // One that uses nothing still takes a turn.
  const uint64_t counted = std::clamp<uint64_t>(tokens, 1, kTokensMost);
  return static_cast<int64_t>(std::max<uint64_t>(1, counted * kTokenTime / std::max(1u, weight)));
}

bool WaitQueue::may_go_before(const Line& line, const Turn& other) noexcept {
  if (other.line == nullptr) return true;
  if (line.priority != other.line->priority) return line.priority > other.line->priority;
  return line.next_start <= other.line->next_start;
}

bool WaitQueue::goes_before(const Line& line, const Waiting& first, const Turn& other) noexcept {
  if (other.line == nullptr || line.priority != other.line->priority ||
      line.next_start != other.line->next_start) {
    return may_go_before(line, other);
  }
  if (first.since != other.waiting->since) return first.since < other.waiting->since;
  return first.arrival_ < other.waiting->arrival_;
}

WaitQueue::Class* WaitQueue::find_class(uint32_t priority) noexcept {
  const auto found = std::ranges::find(classes_, priority, &Class::priority);
  return found == classes_.end() ? nullptr : &*found;
}

WaitQueue::Class& WaitQueue::class_of(uint32_t priority) {
  if (Class* const known = find_class(priority)) return *known;
  const auto idle = std::ranges::find(classes_, 0u, &Class::size);
  Class& fresh = idle == classes_.end() ? classes_.emplace_back() : *idle;
  fresh.priority = priority;
  return fresh;
}

WaitQueue::Line* WaitQueue::find_line(TenantId tenant, uint32_t priority) noexcept {
  const auto found = std::ranges::find_if(
      lines_, [&](const Line& line) { return line.tenant == tenant && line.priority == priority; });
  return found == lines_.end() ? nullptr : &*found;
}

WaitQueue::Line& WaitQueue::line_of(const Waiting& waiting, const Class& its_class) {
  if (Line* const known = find_line(waiting.tenant, waiting.priority)) return *known;
  // One whose tenant would start level with the others anyway remembers nothing.
  const auto spare = std::ranges::find_if(lines_, [this](const Line& line) {
    if (!line.waiting.empty()) return false;
    const Class* const of_line = find_class(line.priority);
    return of_line == nullptr || of_line->size == 0 || line.next_start <= of_line->virtual_now;
  });
  Line& line = spare == lines_.end() ? lines_.emplace_back() : *spare;
  line.tenant = waiting.tenant;
  line.priority = waiting.priority;
  line.next_start = its_class.virtual_now;
  line.uncorrected = 0;
  return line;
}

void WaitQueue::begin(Class& idle) noexcept {
  idle.virtual_now = 0;
  for (Line& line : lines_) {
    if (line.priority == idle.priority) line.next_start = line.uncorrected = 0;
  }
}

void WaitQueue::add(Waiting& waiting) {
  Class& its_class = class_of(waiting.priority);
  if (its_class.size == 0) begin(its_class);
  Line& line = line_of(waiting, its_class);
  if (line.waiting.empty()) line.next_start = std::max(line.next_start, its_class.virtual_now);
  waiting.arrival_ = ++arrivals_;
  line.waiting.push_back(waiting);
  ++its_class.size;
  ++size_;
}

void WaitQueue::remove(Waiting& waiting) noexcept {
  SLUICE_ASSERT(waiting.is_linked());
  waiting.unlink();
  --find_class(waiting.priority)->size;
  --size_;
}

void WaitQueue::take(Line& line, Waiting& waiting) noexcept {
  Class& its_class = *find_class(line.priority);
  const int64_t charged = charge(waiting.tokens, waiting.weight);
  waiting.virtual_before_ = its_class.virtual_now;
  waiting.unlink();
  its_class.virtual_now = std::max(its_class.virtual_now, line.next_start);
  line.next_start += charged;
  line.uncorrected += charged;
  --its_class.size;
  --size_;
}

void WaitQueue::put_back(Waiting& waiting) noexcept {
  Class* const its_class = find_class(waiting.priority);
  Line* const line = find_line(waiting.tenant, waiting.priority);
  // Only add() reuses either.
  SLUICE_ASSERT(its_class != nullptr && line != nullptr);
  const int64_t charged = charge(waiting.tokens, waiting.weight);
  its_class->virtual_now = std::min(its_class->virtual_now, waiting.virtual_before_);
  line->next_start -= charged;
  line->uncorrected -= charged;
  Waiting* const next = line->waiting.find_if(
      [&](const Waiting& other) { return other.arrival_ > waiting.arrival_; });
  if (next == nullptr) {
    line->waiting.push_back(waiting);
  } else {
    line->waiting.insert_before(*next, waiting);
  }
  ++its_class->size;
  ++size_;
}

void WaitQueue::correct(TenantId tenant, uint32_t priority, uint32_t weight, uint64_t estimated,
                        uint64_t used) noexcept {
  Line* const line = find_line(tenant, priority);
  const int64_t charged = charge(estimated, weight);
  // What was charged before the class last began is forgotten, and so is its correction.
  if (line == nullptr || line->uncorrected < charged) return;
  line->uncorrected -= charged;
  line->next_start += charge(used, weight) - charged;
}

MonoTime WaitQueue::oldest() const noexcept {
  MonoTime oldest = MonoTime::max();
  for (const Line& line : lines_) {
    if (!line.waiting.empty()) oldest = std::min(oldest, line.waiting.front().since);
  }
  return oldest;
}

}  // namespace sluice::limit
