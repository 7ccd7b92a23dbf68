// D23: upstreams that break off anywhere, and the one stream that the client gets out of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <sluice/http/sse.h>
#include <sluice/json/choice_fields.h>
#include <sluice/usage/first_content.h>
#include <sluice/usage/resume_filter.h>

#include "../unit/relay/relay_world.h"

namespace sluice::relay {
namespace {

class PoolRoom final : public usage::CarryRoom {
 public:
  explicit PoolRoom(io::BlockPool& blocks) : blocks_(blocks) {}
  [[nodiscard]] char* take(size_t bytes) noexcept override {
    block_ = blocks_.take(bytes);
    return block_.data();
  }
  void give_back() noexcept override { block_.release(); }

 private:
  io::BlockPool& blocks_;
  io::Block block_;
};

class ResumeTest : public RelayWorld {
 protected:
  static std::string text(std::string_view content) {
    return event(R"({"choices":[{"index":0,"delta":{"content":")" + std::string(content) +
                 R"("},"finish_reason":null}]})");
  }
  static std::string role() {
    return event(R"({"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})");
  }
  static std::string stop() {
    return event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})") +
           event("[DONE]");
  }
  // `answer` from `begin` on as a chunked body, in events of random sizes, chunks cut anywhere.
  static std::string stream(std::mt19937& random, std::string_view answer, size_t begin) {
    std::string events = role();
    for (size_t at = begin; at < answer.size();) {
      const size_t length = 1 + random() % (random() % 8 == 0 ? 3000 : 12);
      events += text(answer.substr(at, length));
      at += length;
    }
    events += stop();
    std::string raw;
    for (size_t at = 0; at < events.size();) {
      const size_t length = 1 + random() % 2000;
      raw += chunk(std::string_view(events).substr(at, length));
      at += length;
    }
    return raw + std::string(kEnd);
  }
  // The text that the client has so far.
  std::string said() {
    const std::string all = body();
    std::string found;
    for (size_t at = 0; at < all.size();) {
      const size_t end = all.find("\n\n", at);
      EXPECT_NE(end, std::string::npos) << "the client stands inside an event";
      if (end == std::string::npos) break;
      const std::string_view payload =
          http::data_of(std::string_view(all).substr(at, end + 2 - at)).first;
      at = end + 2;
      const auto fields = reader_.read_choices(payload);
      if (!fields || fields->count == 0) continue;
      const json::ByteRange range = fields->choices[0].said[0];
      found += payload.substr(range.offset, range.length);
    }
    return found;
  }
  void send_at_random(std::mt19937& random, std::string_view raw) {
    for (size_t at = 0; at < raw.size();) {
      const size_t length = 1 + random() % 4000;
      upstream_peer_->send(std::string(raw.substr(at, length)));
      at += length;
      if (random() % 3 == 0) run_for(milliseconds(random() % 3));
    }
  }

  json::FieldReader reader_;
};

class ResumeTestOfSeed : public ResumeTest, public testing::WithParamInterface<unsigned> {};

TEST_P(ResumeTestOfSeed, d023_text_is_neither_lost_nor_doubled) {
  const unsigned seed = GetParam();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto mode = seed % 2 == 0 ? usage::ResumeMode::kRetry : usage::ResumeMode::kAppend;
  std::string answer(200 + random() % 20'000, '?');
  for (char& c : answer) c = static_cast<char>('a' + random() % 26);
  PoolRoom room(blocks_), event_room(blocks_);
  usage::ResumeFilter filter(reader_, mode, nullptr, room, 32 * 1024);
  RelayOptions options = kStream;
  options.may_resume = true;
  options.ping = milliseconds(1 + random() % 20);
  if (seed % 5 == 0) sink_->framing = http::ResponseSink::Framing::kBare;
  for (int round = 0; round < 20; ++round) {
    usage::FirstContent tap(event_room);
    start(options, &filter, &tap);
    const size_t begin = mode == usage::ResumeMode::kAppend ? filter.partial().size() : 0;
    const std::string raw = stream(random, answer, begin);
    const bool is_last = round == 19 || random() % 4 == 0;
    send_at_random(random, is_last ? raw : raw.substr(0, random() % raw.size()));
    if (!is_last) {
      if (random() % 2 == 0) run_for(milliseconds(20));
      random() % 2 == 0 ? upstream_peer_->reset() : upstream_peer_->close();
    }
    run_to_end();
    if (result_->end == RelayEnd::kFinished) break;
    ASSERT_TRUE(result_->is_resumable) << to_string(result_->end);
    EXPECT_EQ(said(), answer.substr(0, said().size()));
    if (!filter.can_resume()) break;  // Cut between the end of the answer and the end of the body.
    filter.resume();
    replace_upstream();
    options.continues = true;
  }
  EXPECT_EQ(said(), answer);
  EXPECT_FALSE(sink_->is_aborted);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ResumeTestOfSeed, testing::Range(1u, 121u));

TEST_F(ResumeTest, d023_a_stream_that_differs_ends_as_broken) {
  PoolRoom room(blocks_);
  usage::ResumeFilter filter(reader_, usage::ResumeMode::kRetry, nullptr, room, 0);
  RelayOptions options = kStream;
  options.may_resume = true;
  start(options, &filter);
  upstream_peer_->send(chunk(role() + text("Hello")));
  run_for(milliseconds(5));
  upstream_peer_->reset();
  run_to_end();
  ASSERT_TRUE(result_->is_resumable);
  filter.resume();
  replace_upstream();
  options.continues = true;
  start(options, &filter);
  upstream_peer_->send(chunk(role() + text("Good day")));
  run_to_end();
  EXPECT_EQ(result_->end, RelayEnd::kUpstreamDiffers);
  EXPECT_FALSE(result_->is_resumable);
  EXPECT_TRUE(sink_->is_aborted);
  EXPECT_EQ(body(), role() + text("Hello") + "data: DIFFERS\n\n");
}

TEST_F(ResumeTest, d023_an_upstream_that_ends_in_order_without_its_last_words_was_lost) {
  PoolRoom room(blocks_);
  usage::ResumeFilter filter(reader_, usage::ResumeMode::kRetry, nullptr, room, 0);
  RelayOptions options = kStream;
  options.may_resume = true;
  start(options, &filter);
  upstream_peer_->send(chunk(role() + text("Hello")) + std::string(kEnd));
  run_to_end();
  EXPECT_EQ(result_->end, RelayEnd::kUpstreamLost);
  EXPECT_TRUE(result_->is_resumable && filter.can_resume());
}

}  // namespace
}  // namespace sluice::relay
