#include <sluice/base/vector_registers.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace sluice {
namespace {

#if defined(__x86_64__)

constexpr std::array<unsigned char, 32> kZero{};

std::array<unsigned char, 32> filled() {
  std::array<unsigned char, 32> bytes;
  bytes.fill(0x5A);
  return bytes;
}

TEST(VectorRegisters, a_copy_leaves_nothing_in_a_low_one) {
  const auto from = filled();
  auto to = filled();
  asm volatile("movdqu (%0), %%xmm9" ::"r"(from.data()) : "xmm9", "memory");
  clear_vector_registers();
  asm volatile("movdqu %%xmm9, (%0)" ::"r"(to.data()) : "memory");
  to[16] = 0;
  EXPECT_EQ(std::ranges::count(to, 0), 17);
}

TEST(VectorRegisters, nor_in_a_wide_one) {
  if (!__builtin_cpu_supports("avx")) GTEST_SKIP() << "no AVX here";
  const auto from = filled();
  auto to = filled();
  asm volatile("vmovdqu (%0), %%ymm9" ::"r"(from.data()) : "xmm9", "memory");
  clear_vector_registers();
  asm volatile("vmovdqu %%ymm9, (%0)" ::"r"(to.data()) : "memory");
  EXPECT_EQ(to, kZero);
}

TEST(VectorRegisters, nor_in_an_upper_one) {
  if (!__builtin_cpu_supports("avx512vl")) GTEST_SKIP() << "no AVX-512 here";
  const auto from = filled();
  auto to = filled();
  asm volatile("vmovdqu64 (%0), %%ymm16\n\tvmovdqu64 (%0), %%ymm31" ::"r"(from.data()) : "memory");
  clear_vector_registers();
  asm volatile("vporq %%ymm16, %%ymm31, %%ymm31\n\tvmovdqu64 %%ymm31, (%0)" ::"r"(to.data())
               : "memory");
  EXPECT_EQ(to, kZero);
}

#endif

}  // namespace
}  // namespace sluice
