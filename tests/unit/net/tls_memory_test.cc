#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <gtest/gtest.h>

#include "tls_memory.h"

namespace sluice::net {
namespace {

constexpr size_t kPageBytes = 4096;

struct Free {
  void operator()(char* block) const { std::free(block); }
};

bool is_resident(char* page) {
  unsigned char resident = 0;
  EXPECT_EQ(mincore(page, kPageBytes, &resident), 0);
  return (resident & 1) != 0;
}

// A block of eleven pages of which the fourth holds a byte, not on a page's border.
TEST(TlsMemoryTest, pages_of_zeros_are_given_back_and_read_as_zeros) {
  constexpr size_t kBytes = 11 * kPageBytes;
  const std::unique_ptr<char, Free> block(static_cast<char*>(std::malloc(kBytes)));
  std::memset(block.get(), 0, kBytes);
  const uintptr_t address = reinterpret_cast<uintptr_t>(block.get());
  char* const first = block.get() + (kPageBytes - address % kPageBytes) % kPageBytes;
  char* const written = first + 3 * kPageBytes;
  written[77] = 'x';

  release_zero_pages(block.get());

  for (char* page = first; page < first + 10 * kPageBytes; page += kPageBytes) {
    EXPECT_EQ(is_resident(page), page == written) << (page - first) / kPageBytes;
  }
  for (size_t i = 0; i < kBytes; ++i) {
    ASSERT_EQ(block.get()[i], block.get() + i == written + 77 ? 'x' : '\0') << i;
  }
}

TEST(TlsMemoryTest, blocks_below_a_page_and_none_are_left_alone) {
  release_zero_pages(nullptr);
  const std::unique_ptr<char, Free> block(static_cast<char*>(std::calloc(1, 100)));
  release_zero_pages(block.get());
  EXPECT_EQ(block.get()[99], '\0');
}

}  // namespace
}  // namespace sluice::net
