// Coroutines: Task<T> is lazy, owned by its awaiter, and its frame comes from the thread's pool.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <utility>

#include <sluice/base/assert.h>

namespace sluice::io {

// Free lists of coroutine frames by size, one per thread. After warm-up a frame costs no heap
// allocation. Frames above kLargest come from the heap; none of ours is that large.
class FramePool {
 public:
  [[nodiscard]] static void* allocate(size_t bytes);
  static void release(void* frame, size_t bytes) noexcept;
};

template <class T>
class Task;

namespace detail {

struct PromiseBase {
  std::coroutine_handle<> continuation;

  static void* operator new(size_t bytes) { return FramePool::allocate(bytes); }
  static void operator delete(void* frame, size_t bytes) noexcept {
    FramePool::release(frame, bytes);
  }

  struct FinalAwaiter {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    [[nodiscard]] std::coroutine_handle<> await_suspend(
        std::coroutine_handle<Promise> handle) const noexcept {
      return handle.promise().continuation;
    }
    void await_resume() const noexcept {}
  };

  [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
  [[nodiscard]] FinalAwaiter final_suspend() const noexcept { return {}; }
  // The data path does not throw; a library exception that got here would be a bug.
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  [[nodiscard]] Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& result) noexcept {
    value.emplace(std::forward<U>(result));
  }
  [[nodiscard]] T take() noexcept { return std::move(*value); }
};

template <>
struct Promise<void> : PromiseBase {
  [[nodiscard]] Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const noexcept {}
};

}  // namespace detail

// Starts when awaited, resumes its awaiter when done. Destroying one that is suspended in the
// middle is a bug: cancellation is an error value, never a destruction.
template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;

  explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) noexcept {
    handle_.promise().continuation = awaiter;
    return handle_;
  }
  T await_resume() noexcept { return handle_.promise().take(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

namespace detail {

template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

// Runs at once and frees its own frame at the end.
struct Detached {
  struct promise_type {
    static void* operator new(size_t bytes) { return FramePool::allocate(bytes); }
    static void operator delete(void* frame, size_t bytes) noexcept {
      FramePool::release(frame, bytes);
    }
    [[nodiscard]] Detached get_return_object() const noexcept { return {}; }
    [[nodiscard]] std::suspend_never initial_suspend() const noexcept { return {}; }
    [[nodiscard]] std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
};

inline Detached run_detached(Task<void> task) { co_await task; }

}  // namespace detail

// Starts `task` now, on this thread; it frees itself when it ends. Whoever starts one counts it
// in a shard::Gate, so that shutdown can wait for it.
inline void start_detached(Task<void> task) { detail::run_detached(std::move(task)); }

}  // namespace sluice::io

namespace sluice {
using io::Task;
}  // namespace sluice
