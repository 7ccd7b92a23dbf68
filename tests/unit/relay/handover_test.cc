#include "handover.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "no_kernel.h"

namespace sluice::relay {
namespace {

using Output = Handover::Output;
using http::BodyKind;

// Drops events that hold the word "drop".
class DropFilter final : public http::EventFilter {
 public:
  Look look_at(std::string_view span) noexcept override {
    if (span.find("drop") != std::string_view::npos) return {Look::kAsk, 0};
    // A span of one event of this kind is known at a glance.
    if (span == "data: plain\n\n") return {Look::kAllPlain, 1};
    return {Look::kKeepsAll, 0};
  }
  PlainChunks find_plain_chunks(std::string_view bytes, size_t begin) noexcept override {
    PlainChunks found{.end = begin};
    for (size_t at = begin; http::find_whole_chunk(bytes, at) == "data: plain\n\n";
         found.end = at) {
      ++found.events;
      found.payload_bytes += 13;
      found.last = bytes.substr(at - 15, 13);
    }
    return found;
  }
  bool keeps(std::string_view event) noexcept override {
    return event.find("drop") == std::string_view::npos;
  }
};

class HandoverTest : public testing::Test {
 protected:
  io::Buffer buffer_of(std::string_view bytes) {
    io::Buffer buffer = buffers_.adopt(kernel_.next(), static_cast<uint32_t>(bytes.size()));
    std::memcpy(const_cast<char*>(buffer.bytes().data()), bytes.data(), bytes.size());
    return buffer;
  }

  // Sends `raw` through in the given pieces and returns what the client gets, batch by batch.
  std::string pass(Handover& handover, const std::vector<std::string_view>& pieces, bool copy) {
    std::string sent;
    for (const std::string_view piece : pieces) {
      if (piece.empty()) continue;
      io::Buffer input = buffer_of(piece);
      while (!input.is_empty() && !handover.is_finished()) {
        Passed passed;
        const Result<void> handed = handover.hand_over(input, batch_, copy, passed);
        EXPECT_TRUE(handed.has_value());
        sent += flush();
      }
      input.release();
      buffers_.commit();
    }
    return sent;
  }

  std::string flush() {
    std::string text;
    for (const std::string_view slice : batch_.slices()) text += slice;
    batch_.clear();
    return text;
  }

  static std::string dechunk(std::string_view raw) {
    http::ChunkedDecoder decoder(Side::kUpstream);
    std::string text;
    for (size_t at = 0; at < raw.size() && !decoder.finished();) {
      const auto span = decoder.next(raw, at);
      EXPECT_TRUE(span.has_value()) << raw;
      if (!span) break;
      text += *span;
    }
    return text;
  }

  static std::string chunk(std::string_view text) {
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", text.size());
    return size + std::string(text) + "\r\n";
  }

  NoKernel kernel_;
  io::BufferPool buffers_{kernel_, {.hot = 64, .most = 64}};
  ByteBudget budget_{1 << 30};
  io::BlockPool blocks_{budget_};
  Batch batch_{blocks_};
};

const std::string kEvents = "data: {\"a\":1}\n\ndata: two\r\n\r\n: note\n\ndata: three\n\n";

TEST_F(HandoverTest, verbatim_passes_every_byte_at_every_cut) {
  const std::string raw = chunk(kEvents.substr(0, 17)) + chunk(kEvents.substr(17)) + "0\r\n\r\n";
  for (const bool copy : {false, true}) {
    for (size_t cut = 0; cut <= raw.size(); ++cut) {
      Handover handover({.kind = BodyKind::kChunked}, Output::kVerbatim, nullptr, blocks_);
      const std::string_view view = raw;
      std::string sent = pass(handover, {view.substr(0, cut), view.substr(cut)}, copy);
      ASSERT_TRUE(handover.is_finished());
      handover.finish(batch_);
      sent += flush();
      ASSERT_EQ(sent, raw) << cut;
      ASSERT_EQ(handover.payload_bytes(), kEvents.size());
    }
  }
}

TEST_F(HandoverTest, plain_events_are_told_by_number_and_the_others_shown) {
  std::string raw = chunk(": hello\n\n");  // The scanner must be past a byte order mark first.
  std::string payload = ": hello\n\n";
  for (int i = 0; i < 100; ++i) {
    const std::string event = i % 25 == 24 ? "data: other\n\n" : "data: plain\n\n";
    raw += chunk(event);
    payload += event;
  }
  raw += "0\r\n\r\n";
  for (size_t cut = 0; cut <= raw.size(); cut += 7) {
    DropFilter filter;
    Handover handover({.kind = BodyKind::kChunked}, Output::kChunked, &filter, blocks_);
    std::string sent;
    std::string shown;
    uint32_t plain = 0;
    for (const std::string_view piece :
         {std::string_view(raw).substr(0, cut), std::string_view(raw).substr(cut)}) {
      if (piece.empty()) continue;
      io::Buffer input = buffer_of(piece);
      while (!input.is_empty()) {
        Passed passed;
        ASSERT_TRUE(handover.hand_over(input, batch_, false, passed).has_value());
        plain += passed.plain_events();
        for (const std::string_view span : passed.spans()) shown += span;
        sent += flush();
      }
      input.release();
      buffers_.commit();
    }
    handover.finish(batch_);
    sent += flush();
    EXPECT_EQ(dechunk(sent), payload) << cut;
    EXPECT_EQ(handover.payload_bytes(), payload.size()) << cut;
    EXPECT_EQ(shown.size() + plain * std::string_view("data: plain\n\n").size(), payload.size());
    EXPECT_GE(plain, 92u) << cut;  // All of them but for what is cut.
  }
}

TEST_F(HandoverTest, bytes_behind_the_body_are_not_passed_on) {
  Handover handover({.kind = BodyKind::kLength, .length = 5}, Output::kVerbatim, nullptr, blocks_);
  EXPECT_EQ(pass(handover, {"helloHTTP/1.1 200"}, false), "hello");
  EXPECT_TRUE(handover.has_excess());
}

TEST_F(HandoverTest, until_close_is_chunked_for_the_client) {
  Handover handover({.kind = BodyKind::kUntilClose}, Output::kChunked, nullptr, blocks_);
  std::string sent = pass(handover, {kEvents, "tail"}, false);
  ASSERT_TRUE(handover.close());
  handover.finish(batch_);
  sent += flush();
  EXPECT_EQ(dechunk(sent), kEvents + "tail");
  EXPECT_TRUE(sent.ends_with("0\r\n\r\n"));
}

TEST_F(HandoverTest, plain_output_has_no_framing) {
  const std::string raw = chunk("one ") + chunk("two") + "0\r\n\r\n";
  Handover handover({.kind = BodyKind::kChunked}, Output::kPlain, nullptr, blocks_);
  std::string sent = pass(handover, {raw}, false);
  handover.finish(batch_);
  sent += flush();
  EXPECT_EQ(sent, "one two");
}

// Goal: whatever the chunking of the upstream and the cuts of the network, exactly the one event is
// missing. Method: every cut of three framings, with a large event among them.
TEST_F(HandoverTest, d021_filter_drops_one_event_whole_at_every_cut) {
  const std::string dropped = "data: {\"drop\":[]}\n\n";
  const std::string text = kEvents + dropped + "data: [DONE]\n\n";
  const std::string kept = kEvents + "data: [DONE]\n\n";
  const size_t mid = kEvents.size() + 7;
  const std::vector<std::string> framings = {
      chunk(text) + "0\r\n\r\n",
      chunk(kEvents) + chunk(dropped) + chunk("data: [DONE]\n\n") + "0\r\n\r\n",
      chunk(text.substr(0, mid)) + chunk(text.substr(mid)) + "0\r\n\r\n"};
  for (const std::string& raw : framings) {
    for (const bool copy : {false, true}) {
      for (size_t cut = 0; cut <= raw.size(); ++cut) {
        DropFilter filter;
        Handover handover({.kind = BodyKind::kChunked}, Output::kChunked, &filter, blocks_);
        const std::string_view view = raw;
        std::string sent = pass(handover, {view.substr(0, cut), view.substr(cut)}, copy);
        ASSERT_TRUE(handover.is_finished());
        handover.finish(batch_);
        sent += flush();
        ASSERT_EQ(dechunk(sent), kept) << cut;
        ASSERT_TRUE(sent.ends_with("0\r\n\r\n"));
      }
    }
  }
}

TEST_F(HandoverTest, d025_complete_events_never_wait_behind_an_incomplete_one) {
  DropFilter filter;
  Handover handover({.kind = BodyKind::kChunked}, Output::kChunked, &filter, blocks_);
  EXPECT_EQ(dechunk(pass(handover, {chunk("data: 1\n\ndata: 2\n\ndata: 3")}, false)),
            "data: 1\n\ndata: 2\n\n");
  EXPECT_EQ(dechunk(pass(handover, {chunk("\n\n")}, false)), "data: 3\n\n");
}

TEST_F(HandoverTest, d025_the_lf_of_a_cut_crlf_follows_its_event_at_once) {
  DropFilter filter;
  Handover handover({.kind = BodyKind::kChunked}, Output::kChunked, &filter, blocks_);
  const std::string event = "data: 1\r\n\r\n";
  for (const char c : event + event) {
    const std::string sent = pass(handover, {chunk(std::string(1, c))}, false);
    if (c == '\n' && handover.payload_bytes() % event.size() == 0) {
      EXPECT_EQ(dechunk(sent), "\n");
    }
  }
}

TEST_F(HandoverTest, untouched_events_keep_the_upstreams_own_framing) {
  DropFilter filter;
  Handover handover({.kind = BodyKind::kChunked}, Output::kChunked, &filter, blocks_);
  const std::string raw = "1;ext=1\r\n\n\r\n" + chunk("data: 1\n\n");
  EXPECT_EQ(pass(handover, {raw}, false), raw);
}

TEST_F(HandoverTest, untouched_events_of_a_body_without_chunks_are_put_into_chunks) {
  DropFilter filter;
  const std::string_view events = kEvents;
  for (const BodyKind kind : {BodyKind::kLength, BodyKind::kUntilClose}) {
    Handover handover({.kind = kind, .length = events.size()}, Output::kChunked, &filter, blocks_);
    std::string sent = pass(handover, {events.substr(0, 15), events.substr(15)}, false);
    ASSERT_TRUE(handover.is_finished() || handover.close());
    handover.finish(batch_);
    sent += flush();
    EXPECT_EQ(dechunk(sent), kEvents);
    EXPECT_TRUE(sent.ends_with("0\r\n\r\n"));
  }
}

TEST_F(HandoverTest, d018_an_event_too_large_to_be_held_goes_on_in_pieces) {
  DropFilter filter;
  Handover handover({.kind = BodyKind::kChunked}, Output::kChunked, &filter, blocks_);
  const std::string line = "data: " + std::string(100'000, 'x') + "\n\n";
  const std::string raw = chunk(line) + chunk("data: drop\n\n") + "0\r\n\r\n";
  std::vector<std::string_view> pieces;
  for (size_t at = 0; at < raw.size(); at += 9000) {
    pieces.push_back(std::string_view(raw).substr(at, 9000));
  }
  std::string sent = pass(handover, pieces, false);
  handover.finish(batch_);
  sent += flush();
  EXPECT_EQ(dechunk(sent), line);
}

constexpr std::string_view kError = "data: {\"error\":{}}\n\n";

TEST_F(HandoverTest, d103_broken_between_events_ends_with_the_error_event) {
  Handover handover({.kind = BodyKind::kChunked}, Output::kVerbatim, nullptr, blocks_);
  std::string sent = pass(handover, {chunk("data: 1\n\n")}, false);
  ASSERT_TRUE(handover.write_broken_event(batch_, kError));
  sent += flush();
  EXPECT_EQ(dechunk(sent), "data: 1\n\n" + std::string(kError));
  EXPECT_FALSE(sent.ends_with("0\r\n\r\n"));
}

// Goal: an open chunk whose upstream is gone still frames the error event. Method: every number of
// missing bytes, below and above the event's own length.
TEST_F(HandoverTest, d103_an_open_chunk_is_filled_before_the_error_event) {
  const std::string event = "data: 1\n\n";
  for (size_t missing = 0; missing <= 60; ++missing) {
    Handover handover({.kind = BodyKind::kChunked}, Output::kVerbatim, nullptr, blocks_);
    std::string begun = chunk(event + std::string(missing, 'y'));
    begun.resize(begun.size() - 2 - missing);
    std::string sent = pass(handover, {begun}, false);
    ASSERT_TRUE(handover.write_broken_event(batch_, kError)) << missing;
    sent += flush();
    std::string text = dechunk(sent);
    while (text.ends_with("\n\n\n")) text.pop_back();
    EXPECT_EQ(text, event + std::string(kError)) << missing;
  }
}

TEST_F(HandoverTest, d103_broken_inside_an_event_gets_no_error_event) {
  Handover handover({.kind = BodyKind::kChunked}, Output::kVerbatim, nullptr, blocks_);
  (void)pass(handover, {chunk("data: 1\n\ndata: ha")}, false);
  EXPECT_FALSE(handover.write_broken_event(batch_, kError));
  EXPECT_TRUE(batch_.is_empty());
}

TEST_F(HandoverTest, d103_a_held_beginning_is_dropped_for_the_error_event) {
  DropFilter filter;
  Handover handover({.kind = BodyKind::kChunked}, Output::kChunked, &filter, blocks_);
  std::string sent = pass(handover, {chunk("data: 1\n\ndata: ha")}, false);
  ASSERT_TRUE(handover.write_broken_event(batch_, kError));
  sent += flush();
  EXPECT_EQ(dechunk(sent), "data: 1\n\n" + std::string(kError));
}

TEST_F(HandoverTest, bad_framing_is_an_error_and_nothing_behind_it_is_passed) {
  Handover handover({.kind = BodyKind::kChunked}, Output::kChunked, nullptr, blocks_);
  io::Buffer input = buffer_of("5\r\nhelloXX0\r\n\r\n");
  Passed passed;
  const Result<void> handed = handover.hand_over(input, batch_, false, passed);
  ASSERT_FALSE(handed.has_value());
  EXPECT_EQ(handed.error().code, ErrorCode::kUpstreamProtocol);
  EXPECT_EQ(dechunk(flush()), "hello");
}

// Goal: the error event stands behind what the client really got. Method: the framing breaks at
// each place where a chunk can break, within one buffer.
TEST_F(HandoverTest, d103_verbatim_bytes_before_bad_framing_are_passed_and_can_be_closed) {
  const std::string event = "data: 1\n\n";
  const std::string good = chunk(event);
  const std::vector<std::string> breaks = {"x", "5 x", "5\rx", "5;a=b\x01"};
  for (const std::string& broken : breaks) {
    Handover handover({.kind = BodyKind::kChunked}, Output::kVerbatim, nullptr, blocks_);
    io::Buffer input = buffer_of(good + broken);
    Passed passed;
    ASSERT_FALSE(handover.hand_over(input, batch_, false, passed).has_value()) << broken;
    std::string sent = flush();
    EXPECT_TRUE(sent.starts_with(good)) << broken;
    ASSERT_TRUE(handover.write_broken_event(batch_, kError)) << broken;
    sent += flush();
    EXPECT_TRUE(dechunk(sent).starts_with(event + std::string(kError))) << broken << "\n" << sent;
    input.release();
    buffers_.commit();
  }
}

TEST_F(HandoverTest, d103_a_chunk_longer_than_its_size_is_closed_before_the_error_event) {
  const std::string event = "data: 1\n\n";
  Handover handover({.kind = BodyKind::kChunked}, Output::kVerbatim, nullptr, blocks_);
  io::Buffer input = buffer_of("9\r\n" + event + "excess");
  Passed passed;
  ASSERT_FALSE(handover.hand_over(input, batch_, false, passed).has_value());
  std::string sent = flush();
  ASSERT_TRUE(handover.write_broken_event(batch_, kError));
  sent += flush();
  EXPECT_EQ(dechunk(sent), event + std::string(kError));
}

TEST_F(HandoverTest, d021_an_event_spread_over_chunks_is_dropped_at_every_chunk_size) {
  const std::string kept = "data: 1\n\n";
  for (size_t size = 1; size <= 20; ++size) {
    DropFilter filter;
    Handover handover({.kind = BodyKind::kChunked}, Output::kChunked, &filter, blocks_);
    const std::string event = "data: drop\n\n";
    std::string raw = chunk(kept);
    for (size_t at = 0; at < event.size(); at += size) raw += chunk(event.substr(at, size));
    raw += chunk(kept);
    EXPECT_EQ(dechunk(pass(handover, {raw}, false)), kept + kept) << size;
  }
}

TEST_F(HandoverTest, d021_the_line_end_of_a_dropped_event_goes_with_it_at_every_cut) {
  const std::string kept = "data: 1\r\n\r\n";
  const std::string raw = chunk(kept) + chunk("data: drop\r\n\r\n") + chunk(kept);
  for (size_t cut = 1; cut < raw.size(); ++cut) {
    DropFilter filter;
    Handover handover({.kind = BodyKind::kChunked}, Output::kChunked, &filter, blocks_);
    const std::string_view text = raw;
    EXPECT_EQ(dechunk(pass(handover, {text.substr(0, cut), text.substr(cut)}, false)), kept + kept)
        << cut;
  }
}

TEST_F(HandoverTest, d021_the_line_end_of_a_dropped_event_goes_also_in_a_chunk_of_its_own) {
  const std::string kept = "data: 1\r\n\r\n";
  const std::string raw = chunk(kept) + chunk("data: drop\r\n\r") + chunk("\n") + chunk(kept);
  for (size_t cut = 1; cut < raw.size(); ++cut) {
    DropFilter filter;
    Handover handover({.kind = BodyKind::kChunked}, Output::kChunked, &filter, blocks_);
    const std::string_view text = raw;
    EXPECT_EQ(dechunk(pass(handover, {text.substr(0, cut), text.substr(cut)}, false)), kept + kept)
        << cut;
  }
}

// A stream that comes without chunks has no framing of its own that could be kept.
TEST_F(HandoverTest, d018_filtered_streams_without_chunks_are_framed_for_the_client) {
  const std::string text = "data: 1\n\ndata: 2\n\n";
  for (const BodyKind kind : {BodyKind::kLength, BodyKind::kUntilClose}) {
    DropFilter filter;
    Handover handover({.kind = kind, .length = text.size()}, Output::kChunked, &filter, blocks_);
    std::string sent = pass(handover, {text}, false);
    EXPECT_EQ(dechunk(sent), text);
  }
}

}  // namespace
}  // namespace sluice::relay
