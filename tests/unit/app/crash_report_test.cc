#include "crash_report.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include <sluice/base/assert.h>
#include <sluice/base/thread_stack.h>

namespace sluice::app {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLUICE_HAS_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SLUICE_HAS_ASAN 1
#endif

// What stays where a crash report looks, if it looked at memory.
constexpr const char* kCanary = "canary-of-a-request";

class CrashReport : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef SLUICE_HAS_ASAN
    GTEST_SKIP() << "the sanitizer reports crashes itself";
#endif
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }

  static void prepare() {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    report_crashes("9.8.7");
    prepare_thread_stack();
  }
};

[[gnu::noinline]] int recurse(volatile int* depth) {
  if (*depth < 0) return 0;
  volatile char room[4096];
  *depth = *depth + 1;
  room[0] = static_cast<char>(*depth);
  return recurse(depth) + room[0];
}

// A write that the compiler does not foresee.
void write_to(uintptr_t address) { *reinterpret_cast<volatile char*>(address) = 1; }

TEST_F(CrashReport, names_the_signal_the_thread_and_the_frames) {
  EXPECT_EXIT(
      {
        prepare();
        std::thread([] {
          ::pthread_setname_np(::pthread_self(), "shard-7");
          prepare_thread_stack();
          write_to(16);
        }).join();
      },
      ::testing::KilledBySignal(SIGSEGV),
      "sluice: crash: version 9.8.7, signal SIGSEGV .*, address null, thread shard-7, process .*"
      "#[0-9]+ sluice\\+0x[0-9a-f]+.*end of the crash report");
}

TEST_F(CrashReport, an_overflow_of_the_stack_is_reported) {
  EXPECT_EXIT(
      {
        prepare();
        std::thread([] {
          prepare_thread_stack();
          volatile int depth = 0;
          recurse(&depth);
        }).join();
      },
      ::testing::KilledBySignal(SIGSEGV), "signal SIGSEGV .*end of the crash report");
}

TEST_F(CrashReport, broken_invariants_and_uncaught_exceptions_are_reported) {
  EXPECT_EXIT(
      {
        prepare();
        SLUICE_ASSERT(kCanary == nullptr);
      },
      ::testing::KilledBySignal(SIGABRT),
      "broken invariant.*\n.*signal SIGABRT .*end of the crash");
  EXPECT_EXIT(
      {
        prepare();
        std::terminate();
      },
      ::testing::KilledBySignal(SIGABRT), "signal SIGABRT .*end of the crash");
}

TEST_F(CrashReport, an_address_is_named_by_its_kind_alone) {
  EXPECT_EXIT(
      {
        prepare();
        // "canary-o", as a pointer that a request's bytes have overwritten.
        uintptr_t address = 0;
        std::copy_n(kCanary, sizeof address, reinterpret_cast<char*>(&address));
        write_to(address);
      },
      ::testing::KilledBySignal(SIGSEGV), "address not canonical, thread");
}

TEST_F(CrashReport, the_log_has_it_too) {
  GTEST_FLAG_SET(death_test_style, "fast");  // The child is to know the folder's name.
  std::string folder = (std::filesystem::temp_directory_path() / "sluice-crash-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/log";
  EXPECT_EXIT(
      {
        prepare();
        telemetry::LineFile log(-1);
        if (!log.open(path).empty()) std::_Exit(1);
        report_crashes_to(&log);
        std::raise(SIGBUS);
      },
      ::testing::KilledBySignal(SIGBUS), "signal SIGBUS");
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_TRUE(text.starts_with("sluice: crash: version 9.8.7, signal SIGBUS")) << text;
  EXPECT_TRUE(text.contains("address none, sent by a process")) << text;
  EXPECT_FALSE(text.contains("canary"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sluice::app
