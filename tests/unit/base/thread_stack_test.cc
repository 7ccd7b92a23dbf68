#include <sluice/base/thread_stack.h>

#include <gtest/gtest.h>
#include <signal.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

namespace sluice {
namespace {

// The kernel's flags of the mapping that holds `address`.
std::string flags_of(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  bool is_here = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2) {
      is_here = wanted >= begin && wanted < end;
    } else if (is_here && line.starts_with("VmFlags:")) {
      return line + " ";
    }
  }
  return {};
}

TEST(ThreadStack, it_is_left_out_of_core_files_and_has_one_for_signals) {
  std::string before, after;
  stack_t signal_stack{};
  std::thread([&] {
    // Not the address of a variable: AddressSanitizer may keep those elsewhere.
    const void* here = __builtin_frame_address(0);
    before = flags_of(here);
    prepare_thread_stack();
    after = flags_of(here);
    prepare_thread_stack();
    sigaltstack(nullptr, &signal_stack);
  }).join();
  EXPECT_FALSE(before.contains(" dd ")) << before;
  EXPECT_TRUE(after.contains(" dd ")) << after;
  EXPECT_EQ(signal_stack.ss_flags & SS_DISABLE, 0);
  EXPECT_GE(signal_stack.ss_size, size_t{16} << 10);
}

}  // namespace
}  // namespace sluice
