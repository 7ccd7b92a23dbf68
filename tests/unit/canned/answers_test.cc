#include "answers.h"

#include <string>

#include <gtest/gtest.h>

namespace sluice::canned {
namespace {

std::string text_of(StampedEvent& event, uint64_t t_ns) {
  StampedEvent::Chunk chunk{};
  event.render(t_ns, chunk);
  return {chunk.data(), chunk.size()};
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(CannedAnswers, a_unary_body_has_its_length) {
  const std::string answer = render_unary();
  EXPECT_EQ(answer.size() - answer.find("\r\n\r\n") - 4, kAnswerBytes);
  EXPECT_NE(answer.find("content-length: 540\r\n"), std::string::npos);
}

TEST(CannedAnswers, a_burst_is_events_of_one_length_and_an_end) {
  const std::string plain = render_burst(50, false), asked = render_burst(50, true);
  EXPECT_EQ(count(plain, "\r\nf0\r\ndata: {"), 50u);
  EXPECT_EQ(count(plain, "usage"), 0u);
  EXPECT_EQ(count(asked, "\"usage\":{"), 1u);
  for (const std::string& burst : {plain, asked}) {
    EXPECT_TRUE(burst.ends_with("e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"));
  }
}

TEST(CannedAnswers, stamps_of_any_length_make_events_of_one_length) {
  StampedEvent event;
  for (const uint64_t stamp : {uint64_t{7}, uint64_t{123'456'789}, uint64_t{99}, UINT64_MAX}) {
    const std::string chunk = text_of(event, stamp);
    EXPECT_TRUE(chunk.starts_with("f0\r\ndata: {"));
    EXPECT_TRUE(chunk.ends_with(",\"t_ns\":" + std::to_string(stamp) + "}\n\n\r\n")) << chunk;
  }
}

}  // namespace
}  // namespace sluice::canned
