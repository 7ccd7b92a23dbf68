#include <sluice/http/chunked.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <random>
#include <string>
#include <vector>

namespace sluice::http {
namespace {

struct Decoded {
  std::string payload;
  std::string error;
  size_t consumed = 0;
  bool finished = false;
  bool operator==(const Decoded&) const = default;
};

void PrintTo(const Decoded& decoded, std::ostream* out) {
  *out << "'" << decoded.payload << "' " << decoded.error << " " << decoded.consumed
       << (decoded.finished ? " finished" : "");
}

// Feeds `input` in pieces that end at `cuts`, each in an allocation of its own.
Decoded decode(std::string_view input, const std::vector<size_t>& cuts,
               Trailers trailers = Trailers::kAccepted) {
  ChunkedDecoder decoder(Side::kUpstream, trailers);
  Decoded decoded;
  size_t begin = 0;
  std::vector<size_t> ends = cuts;
  ends.push_back(input.size());
  for (const size_t end : ends) {
    const std::vector<char> piece(input.begin() + static_cast<ptrdiff_t>(begin),
                                  input.begin() + static_cast<ptrdiff_t>(end));
    begin = end;
    size_t at = 0;
    while (at < piece.size() && !decoder.finished()) {
      const auto span = decoder.next({piece.data(), piece.size()}, at);
      if (!span.has_value()) {
        decoded.error = span.error().detail;
        decoded.consumed += at;
        return decoded;
      }
      decoded.payload += *span;
    }
    decoded.consumed += at;
    decoded.finished = decoder.finished();
  }
  return decoded;
}

Decoded decode_everywhere(std::string_view input, Trailers trailers = Trailers::kAccepted) {
  const Decoded whole = decode(input, {}, trailers);
  std::vector<size_t> all;
  for (size_t cut = 0; cut <= input.size(); ++cut) {
    all.push_back(cut);
    const Decoded split = decode(input, {cut}, trailers);
    EXPECT_EQ(split, whole) << input << " cut at " << cut;
  }
  EXPECT_EQ(decode(input, all, trailers), whole) << input;
  return whole;
}

TEST(ChunkedDecoder, good_bodies_are_read_the_same_however_they_are_cut) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"0\r\n\r\n", ""},
      {"5\r\nhello\r\n0\r\n\r\n", "hello"},
      {"5\r\nhello\r\n6\r\n world\r\n000\r\n\r\n", "hello world"},
      {"A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a"},
      {"0000000000000002\r\n\r\n\r\n0\r\n\r\n", "\r\n"},
      {"1;x\r\na\r\n1 ; y=z ;w\r\nb\r\n0;last=\"q;\\\"\\r \"\r\n\r\n", "ab"},
      {"1\r\na\r\n0\r\nX-Sum: 12\r\nY:\r\n\r\n", "a"},
  };
  for (const auto& [input, payload] : cases) {
    const Decoded decoded = decode_everywhere(input);
    EXPECT_EQ(decoded.error, "") << input;
    EXPECT_EQ(decoded.payload, payload);
    EXPECT_TRUE(decoded.finished) << input;
    EXPECT_EQ(decoded.consumed, input.size());
  }
}

// D65: invalid chunk sizes and line ends are refused.
TEST(ChunkedDecoder, d065_bad_bodies_are_refused_the_same_however_they_are_cut) {
  const std::string_view cases[] = {
      "\r\n",
      "x\r\n",
      "-1\r\n",
      "+1\r\n",
      "0x1\r\na\r\n",
      " 1\r\na\r\n",
      "1 \r\na\r\n",
      "1 2\r\na\r\n",
      "1,\r\na\r\n",
      "1\na\r\n",
      "1\r\r\na\r\n",
      "1\ra\r\n",
      "1\r\nab\r\n",
      "1\r\na\n0\r\n\r\n",
      "1\r\na\r0\r\n\r\n",
      "1\r\na0\r\n\r\n",
      "8000000000000000\r\n",
      "ffffffffffffffff\r\n",
      "00000000000000001\r\na\r\n",
      "1;\x01\r\na\r\n",
      "1;a\nb\r\na\r\n",
      "1;a=\"\n\"\r\na\r\n",
      "1;a=\"\\\n\"\r\na\r\n",
      "1;a=\"b\r\na\r\n",
      "1;(\r\na\r\n",
      "0\r\nX\r\n\r\n",
      "0\r\nX : a\r\n\r\n",
      "0\r\nX: a\r\n b\r\n\r\n",
      "0\r\nX: a\n\r\n",
      "0\r\nX: a\x01\r\n\r\n",
      "0\r\n\rX",
      "0\r\n\n",
  };
  for (const std::string_view input : cases) {
    EXPECT_NE(decode_everywhere(input).error, "") << input;
  }
}

TEST(ChunkedDecoder, errors_blame_the_side_that_sent_the_body) {
  size_t at = 0;
  const auto request = ChunkedDecoder(Side::kDownstream).next("x", at);
  ASSERT_FALSE(request.has_value());
  EXPECT_EQ(request.error().code, ErrorCode::kMalformedRequest);
  EXPECT_EQ(request.error().side, Side::kDownstream);
  at = 0;
  const auto response = ChunkedDecoder(Side::kUpstream).next("x", at);
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, ErrorCode::kUpstreamProtocol);
  EXPECT_EQ(response.error().side, Side::kUpstream);
}

TEST(ChunkedDecoder, largest_size_is_accepted) {
  ChunkedDecoder decoder(Side::kUpstream);
  size_t at = 0;
  ASSERT_TRUE(decoder.next("7fffffffffffffff\r\n", at).has_value());
  EXPECT_EQ(decoder.chunk_bytes_left(), uint64_t{INT64_MAX});
}

TEST(ChunkedDecoder, bytes_behind_the_body_are_left_alone) {
  const std::string input = "1\r\na\r\n0\r\n\r\nHTTP/1.1 200 OK";
  const Decoded decoded = decode(input, {});
  EXPECT_TRUE(decoded.finished);
  EXPECT_EQ(decoded.consumed, 11u);
}

TEST(ChunkedDecoder, extensions_and_trailers_are_bounded) {
  const auto with_extension = [](size_t bytes) {
    return "1" + (";" + std::string(bytes - 2, 'x')) + "\r\na\r\n0\r\n\r\n";
  };
  // The CR that ends the extension is counted with it.
  EXPECT_EQ(decode(with_extension(ChunkedDecoder::kExtensionBytesMax), {}).error, "");
  EXPECT_NE(decode(with_extension(ChunkedDecoder::kExtensionBytesMax + 1), {}).error, "");
  const auto with_trailer = [](size_t bytes) {
    return "0\r\nX:" + std::string(bytes - 6, 'x') + "\r\n\r\n";
  };
  const auto bound = ChunkedDecoder::kTrailerBytesMax;
  for (const std::vector<size_t>& cuts : {std::vector<size_t>{}, {5}, {100, 4'000}}) {
    EXPECT_EQ(decode(with_trailer(bound), cuts).error, "");
    EXPECT_EQ(decode(with_trailer(bound + 1), cuts).error, "trailers too long");
  }
}

TEST(ChunkedDecoder, each_chunk_has_its_own_extension_bound) {
  std::string input;
  for (int i = 0; i < 20; ++i) input += "1;" + std::string(100, 'x') + "\r\na\r\n";
  EXPECT_EQ(decode(input + "0\r\n\r\n", {}).error, "");
}

TEST(ChunkedDecoder, trailers_can_be_refused) {
  EXPECT_EQ(decode_everywhere("0\r\n\r\n", Trailers::kRefused).error, "");
  EXPECT_NE(decode_everywhere("0\r\nX: y\r\n\r\n", Trailers::kRefused).error, "");
}

TEST(ChunkedDecoder, knows_where_in_a_chunk_it_is) {
  ChunkedDecoder decoder(Side::kUpstream);
  EXPECT_TRUE(decoder.at_chunk_boundary());
  size_t at = 0;
  EXPECT_EQ(decoder.next("5\r\nhe", at).value(), "he");
  EXPECT_EQ(decoder.chunk_bytes_left(), 3u);
  EXPECT_FALSE(decoder.at_chunk_boundary());
  at = 0;
  EXPECT_EQ(decoder.next("llo\r", at).value(), "llo");
  EXPECT_EQ(decoder.chunk_bytes_left(), 0u);
  EXPECT_FALSE(decoder.at_chunk_boundary());
  EXPECT_EQ(decoder.next("llo\r", at).value(), "");
  at = 0;
  EXPECT_EQ(decoder.next("\n", at).value(), "");
  EXPECT_TRUE(decoder.at_chunk_boundary());
  EXPECT_FALSE(decoder.finished());
}

// Goal: whatever a cut upstream left open, closing() makes it whole, so that a chunk of our own
// and the last chunk can follow.
TEST(ChunkedDecoder, closing_completes_an_open_chunk_after_any_cut) {
  const std::string input =
      "5\r\nhello\r\n0a;x=\"a\\\"b\" ; y\r\n0123456789\r\n1 \t;z\r\n-\r\n00001\r\na\r\n"
      "0;q\r\nX: y\r\n\r\n";
  const size_t last_chunk = input.find("0;q");
  for (size_t cut = 0; cut <= input.size(); ++cut) {
    ChunkedDecoder decoder(Side::kUpstream);
    std::string sent = input.substr(0, cut);
    size_t at = 0;
    while (at < sent.size()) ASSERT_TRUE(decoder.next(sent, at).has_value());
    const ChunkClosing closing = decoder.closing();
    ASSERT_EQ(closing.possible, cut <= last_chunk + 1) << cut;
    if (!closing.possible) continue;
    sent += closing.before;
    sent.append(closing.fill_bytes, ' ');
    sent += closing.after;
    sent += "3\r\nown\r\n0\r\n\r\n";
    const Decoded decoded = decode(sent, {});
    EXPECT_EQ(decoded.error, "") << sent;
    EXPECT_TRUE(decoded.finished) << sent;
    EXPECT_TRUE(decoded.payload.ends_with("own")) << sent;
  }
}

TEST(ChunkedDecoder, closing_makes_no_extension_longer_than_what_is_read) {
  for (const std::string begin : {"2 ", "2;", "2;\"", "2;\"\\"}) {
    int possible = 0;
    for (size_t length = 250; length < 260; ++length) {
      const char filling = begin == "2 " ? ' ' : begin.ends_with('\\') ? '\\' : 'x';
      const std::string input = begin + std::string(length, filling);
      ChunkedDecoder decoder(Side::kUpstream);
      size_t at = 0;
      const bool is_read = decoder.next(input, at).has_value();
      const ChunkClosing closing = decoder.closing();
      if (!closing.possible) continue;
      ++possible;
      const std::string sent = input.substr(0, is_read ? at : at - 1) +
                               std::string(closing.before) + "  " + std::string(closing.after) +
                               "3\r\nown\r\n0\r\n\r\n";
      const Decoded decoded = decode(sent, {});
      EXPECT_EQ(decoded.error, "") << begin << length;
      EXPECT_TRUE(decoded.finished) << begin << length;
    }
    EXPECT_GT(possible, 0) << begin;
    EXPECT_LT(possible, 10) << begin;
  }
}

TEST(ChunkedDecoder, closing_makes_no_size_longer_than_what_is_read) {
  for (size_t zeros = 1; zeros < 20; ++zeros) {
    const std::string input(zeros, '0');
    ChunkedDecoder decoder(Side::kUpstream);
    size_t at = 0;
    (void)decoder.next(input, at);
    // A size of zero that has no room for a digit more can only be the last chunk's.
    EXPECT_EQ(decoder.closing().possible, zeros < 16) << zeros;
  }
}

TEST(ChunkedEncoder, what_it_writes_is_read_back) {
  std::mt19937_64 random(3);
  std::string body;
  std::string payload;
  std::array<char, kChunkHeadBytesMax> head;
  for (int i = 0; i < 200; ++i) {
    const auto letter = static_cast<char>('a' + i % 26);
    const std::string piece(1 + random() % (1u << (random() % 12)), letter);
    payload += piece;
    body += write_chunk_head(head, piece.size());
    body += piece;
    body += kChunkEnd;
  }
  body += kLastChunk;
  std::vector<size_t> cuts;
  for (size_t at = 0; at < body.size(); at += random() % 50) cuts.push_back(at);
  for (const Decoded& decoded : {decode(body, {}), decode(body, cuts)}) {
    EXPECT_EQ(decoded.payload, payload);
    EXPECT_TRUE(decoded.finished);
  }
  EXPECT_EQ(write_chunk_head(head, UINT64_MAX), "ffffffffffffffff\r\n");
  EXPECT_EQ(write_chunk_head(head, 1), "1\r\n");
  EXPECT_EQ(write_chunk_head(head, 4096), "1000\r\n");
}

}  // namespace
}  // namespace sluice::http
