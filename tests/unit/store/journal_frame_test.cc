#include "journal_frame.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::store {
namespace {

TEST(Crc32c, standard_values_are_found) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c("56789", crc32c("1234")), 0xE3069283u);
}

TEST(SegmentHead, only_a_whole_one_of_this_version_is_taken) {
  std::string head;
  append_segment_head(head);
  ASSERT_EQ(head.size(), kSegmentHeadBytes);
  EXPECT_TRUE(is_segment_head(head));
  EXPECT_TRUE(is_segment_head(head + "x"));
  for (size_t i = 0; i < head.size(); ++i) {
    EXPECT_FALSE(is_segment_head(head.substr(0, i))) << i;
    std::string damaged = head;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(is_segment_head(damaged)) << i;
  }
}

TEST(FrameReader, frames_come_back_in_order) {
  const std::vector<std::string> payloads = {"a", std::string(kPayloadBytesMax, 'b'), "ccc"};
  std::string bytes;
  for (const std::string& payload : payloads) append_frame(bytes, payload);
  FrameReader reader(bytes);
  std::string_view found;
  for (const std::string& payload : payloads) {
    ASSERT_EQ(reader.next(&found), FrameReader::Found::kFrame);
    EXPECT_EQ(found, payload);
  }
  EXPECT_EQ(reader.next(&found), FrameReader::Found::kMore);
  EXPECT_EQ(reader.taken(), bytes.size());
}

TEST(FrameReader, every_cut_is_no_frame_and_every_flip_is_bad) {
  std::string bytes;
  append_frame(bytes, "payload");
  std::string_view found;
  for (size_t i = 0; i < bytes.size(); ++i) {
    FrameReader cut(std::string_view(bytes).substr(0, i));
    EXPECT_EQ(cut.next(&found), FrameReader::Found::kMore) << i;
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
    FrameReader reader(damaged);
    EXPECT_NE(reader.next(&found), FrameReader::Found::kFrame) << i;
    EXPECT_EQ(reader.taken(), 0u);
  }
}

TEST(FrameReader, length_out_of_range_is_bad) {
  std::string_view found;
  FrameReader zeros(std::string_view("\0\0\0\0\0\0\0\0\0", 9));
  EXPECT_EQ(zeros.next(&found), FrameReader::Found::kBad);
  FrameReader huge(std::string_view("\xff\xff\xff\xff", 4));
  EXPECT_EQ(huge.next(&found), FrameReader::Found::kBad);
}

}  // namespace
}  // namespace sluice::store
