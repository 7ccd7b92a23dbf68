#include "sandbox_calls.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <functional>
#include <set>
#include <string>
#include <thread>

namespace sluice::app {
namespace {

constexpr int kNotHere = 200;

// The wait status of a process that confines itself and then tries.
int confined(const std::function<int()>& attempt) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(confine_calls() ? attempt() : kNotHere);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}
bool is_absent() {
  return WEXITSTATUS(confined([] { return 0; })) == kNotHere;
}

TEST(SandboxCalls, no_call_is_both_allowed_and_forbidden_or_named_twice) {
  std::set<std::string_view> names(allowed_calls().begin(), allowed_calls().end());
  names.insert(forbidden_calls().begin(), forbidden_calls().end());
  EXPECT_EQ(names.size(), allowed_calls().size() + forbidden_calls().size());
}

TEST(SandboxCalls, rings_can_be_entered_and_not_made) {
  EXPECT_EQ(std::ranges::count(allowed_calls(), "io_uring_enter"), 1);
  EXPECT_EQ(std::ranges::count(allowed_calls(), "io_uring_register"), 0);
  EXPECT_EQ(std::ranges::count(forbidden_calls(), "io_uring_setup"), 1);
}

TEST(SandboxCalls, a_forbidden_call_ends_the_process_and_an_unknown_one_is_refused) {
  if (is_absent()) GTEST_SKIP() << "built with a sanitizer";
  const int forbidden = confined([] { return static_cast<int>(::syscall(SYS_setuid, 0)); });
  ASSERT_TRUE(WIFSIGNALED(forbidden));
  EXPECT_EQ(WTERMSIG(forbidden), SIGSYS);
  const int unknown = confined([] { return ::syscall(SYS_sethostname, "", 0) < 0 ? errno : 0; });
  EXPECT_EQ(WEXITSTATUS(unknown), EPERM);
}

TEST(SandboxCalls, threads_start_and_are_confined_also_those_that_ran_before) {
  if (is_absent()) GTEST_SKIP() << "built with a sanitizer";
  const int later = confined([] {
    int error = 0;
    std::thread([&error] { error = ::syscall(SYS_sethostname, "", 0) < 0 ? errno : 0; }).join();
    return error;
  });
  EXPECT_EQ(WEXITSTATUS(later), EPERM);
  const pid_t child = ::fork();
  if (child == 0) {
    std::atomic<bool> is_confined = false;
    int error = 0;
    std::thread before([&] {
      is_confined.wait(false);
      error = ::syscall(SYS_sethostname, "", 0) < 0 ? errno : 0;
    });
    const bool done = confine_calls().has_value();
    is_confined = true;
    is_confined.notify_all();
    before.join();
    ::_exit(done ? error : kNotHere);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), EPERM);
}

}  // namespace
}  // namespace sluice::app
