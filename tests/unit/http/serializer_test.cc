#include <sluice/http/serializer.h>

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include <sluice/http/request_parser.h>
#include <sluice/http/response_parser.h>

namespace sluice::http {
namespace {

TEST(HeadWriter, writes_a_response_head_that_the_parser_reads) {
  std::array<char, 256> out;
  HeadWriter writer(out);
  writer.status_line(429).header("retry-after", 7).header("x-a", "b c").content_length(12).end();
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ(writer.text(),
            "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\nx-a: b c\r\n"
            "content-length: 12\r\n\r\n");
  ResponseParser parser({});
  ASSERT_EQ(parser.parse(writer.text()), ParseState::kDone);
  EXPECT_EQ(parser.head().body.length, 12u);
}

TEST(HeadWriter, writes_a_request_head_that_the_parser_reads) {
  std::array<char, 256> out;
  HeadWriter writer(out);
  writer.request_line("POST", "/v1/x?y=z").header("host", "a:1").chunked().end();
  RequestParser parser({});
  ASSERT_EQ(parser.parse(writer.text()), ParseState::kDone);
  EXPECT_EQ(parser.head().query, "y=z");
  EXPECT_EQ(parser.head().body.kind, BodyKind::kChunked);
}

TEST(HeadWriter, a_head_that_does_not_fit_is_refused_whole_and_nothing_is_overrun) {
  const auto write = [](HeadWriter& writer) {
    writer.status_line(200).header("content-type", "text/plain").content_length(1000).end();
  };
  std::array<char, 256> wide;
  HeadWriter reference(wide);
  write(reference);
  const size_t needed = reference.text().size();
  for (size_t size = 0; size <= needed; ++size) {
    std::vector<char> out(size);
    HeadWriter writer(out);
    write(writer);
    EXPECT_EQ(writer.ok(), size == needed) << size;
    if (size == needed) continue;
    EXPECT_EQ(writer.state(), HeadWriter::State::kOverflow);
    EXPECT_EQ(writer.text(), "");
  }
}

TEST(HeadWriter, text_that_would_break_the_head_is_refused) {
  using namespace std::string_view_literals;
  const auto state_of = [](auto write) {
    std::array<char, 256> out;
    HeadWriter writer(out);
    write(writer);
    writer.header("x", "y").end();
    EXPECT_EQ(writer.text(), "");
    return writer.state();
  };
  const auto invalid = HeadWriter::State::kInvalid;
  for (const std::string_view value : {"a\r\nX: b"sv, "a\rb"sv, "a\nb"sv, "a\0b"sv, "a\x7f"sv}) {
    EXPECT_EQ(state_of([&](HeadWriter& writer) { writer.header("x", value); }), invalid);
  }
  for (const std::string_view name : {""sv, "a b"sv, "a:"sv, "a\r\n"sv, "a\0"sv}) {
    EXPECT_EQ(state_of([&](HeadWriter& writer) { writer.any_header(name, "v"); }), invalid);
  }
  for (const std::string_view target : {""sv, "/a b"sv, "/a\r\n"sv, "/\x80"sv}) {
    EXPECT_EQ(state_of([&](HeadWriter& writer) { writer.request_line("GET", target); }), invalid);
  }
  EXPECT_EQ(state_of([&](HeadWriter& writer) { writer.request_line("G T", "/"); }), invalid);
  EXPECT_EQ(state_of([&](HeadWriter& writer) { writer.status_line(99); }), invalid);
  EXPECT_EQ(state_of([&](HeadWriter& writer) { writer.status_line(1000); }), invalid);
}

TEST(HeadWriter, any_header_takes_a_name_that_is_a_token_in_any_case) {
  std::array<char, 64> out;
  HeadWriter writer(out);
  writer.any_header("X-Custom_1", "v").end();
  EXPECT_EQ(writer.text(), "X-Custom_1: v\r\n\r\n");
}

TEST(HeadWriter, lines_go_in_as_they_are_or_not_at_all) {
  std::array<char, 8> out;
  HeadWriter fits(out);
  fits.lines("a: b\r\n").end();
  EXPECT_EQ(fits.text(), "a: b\r\n\r\n");
  HeadWriter overflows(out);
  overflows.lines("a: bcde\r\n");
  EXPECT_EQ(overflows.state(), HeadWriter::State::kOverflow);
}

TEST(HeadWriter, values_may_hold_tabs_and_bytes_above_ascii) {
  std::array<char, 64> out;
  HeadWriter writer(out);
  writer.header("x", "a\tcaf\xc3\xa9").header("y", "").end();
  EXPECT_EQ(writer.text(), "x: a\tcaf\xc3\xa9\r\ny: \r\n\r\n");
}

TEST(HeadWriter, numbers_are_written_whole) {
  std::array<char, 64> out;
  HeadWriter writer(out);
  writer.content_length(UINT64_MAX);
  EXPECT_EQ(writer.text(), "content-length: 18446744073709551615\r\n");
}

TEST(ReasonPhrase, every_status_has_one) {
  EXPECT_EQ(reason_phrase(503), "Service Unavailable");
  EXPECT_EQ(reason_phrase(299), "Unknown");
}

}  // namespace
}  // namespace sluice::http
