#include <sluice/io/offload.h>

#include <sluice/base/thread_stack.h>

namespace sluice::io {

Lane::Lane() : thread_([this] { work(); }) {}

Lane::~Lane() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

bool Lane::post(std::move_only_function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    if (jobs_.size() >= kJobsMax) return false;
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
  return true;
}

size_t Lane::waiting() {
  const std::lock_guard lock(mutex_);
  return jobs_.size();
}

void Lane::work() {
  prepare_thread_stack();
  for (;;) {
    std::move_only_function<void()> job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

bool OffloadReturns::has_work() noexcept {
  const std::lock_guard lock(mutex_);
  return !finished_.empty();
}

void OffloadReturns::push(std::move_only_function<void()> finish) {
  {
    const std::lock_guard lock(mutex_);
    finished_.push_back(std::move(finish));
  }
  ring_.wake();
}

void OffloadReturns::run() {
  std::deque<std::move_only_function<void()>> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (auto& finish : finished) finish();
}

}  // namespace sluice::io
