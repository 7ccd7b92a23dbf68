#include <sluice/crypto/random.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::crypto {
namespace {

TEST(FillRandom, fills_all_of_it) {
  // Each byte must be something other than zero in one of 64 rounds; chance of a miss 2^-500.
  std::vector<std::byte> seen(600, std::byte{0});
  for (int round = 0; round < 64; ++round) {
    std::vector<std::byte> bytes(seen.size(), std::byte{0});
    fill_random(bytes);
    for (size_t i = 0; i < seen.size(); ++i) seen[i] |= bytes[i];
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), std::byte{0}), 0);
}

TEST(RandomSource, gives_ids_that_never_repeat) {
  RandomSource source;
  std::set<std::string> ids;
  for (int i = 0; i < 10'000; ++i) ids.insert(std::string(source.next_request_id().text()));
  EXPECT_EQ(ids.size(), 10'000u);
}

TEST(RandomSource, d075_ids_have_only_characters_that_a_client_may_send) {
  RandomSource source;
  for (int i = 0; i < 1000; ++i) {
    const RequestId id = source.next_request_id();
    ASSERT_EQ(id.text().size(), RequestId::kLength);
    ASSERT_EQ(id.text().substr(0, 4), "req_");
    ASSERT_EQ(id.text().find_first_not_of("0123456789abcdef", 4), std::string_view::npos);
  }
}

TEST(RandomSource, serves_every_size_across_the_end_of_its_store) {
  RandomSource source;
  for (const size_t size : {0u, 1u, 4095u, 4096u, 4097u, 10'000u}) {
    std::vector<std::byte> first(size);
    std::vector<std::byte> second(size);
    source.fill(first);
    source.fill(second);
    if (size >= 16) EXPECT_NE(first, second) << size;
  }
  EXPECT_NE(source.next_u64(), source.next_u64());
}

}  // namespace
}  // namespace sluice::crypto
