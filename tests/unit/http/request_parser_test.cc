#include <sluice/http/request_parser.h>

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "head_pieces.h"

namespace sluice::http {
namespace {

std::string describe(const RequestHead& head) {
  std::string text = std::string(head.method_text) + "|" + std::string(head.path) + "|" +
                     std::string(head.query) + "|" + std::string(head.authority) + "|";
  text += head.version == Version::kHttp11 ? "1.1" : "1.0";
  text += head.keep_alive ? "|keep" : "|close";
  text += head.expect_continue ? "|expect" : "";
  if (head.body.kind == BodyKind::kChunked) text += "|chunked";
  if (head.body.kind == BodyKind::kLength) text += "|" + std::to_string(head.body.length);
  for (const HeaderField field : head.headers) {
    text += "|" + std::string(field.name) + "=" + std::string(field.value);
  }
  return text + "|" + std::to_string(head.head_bytes);
}

std::string outcome(std::string_view input, const std::vector<size_t>& cuts,
                    HeadLimits limits = {}) {
  RequestParser parser(limits);
  HeadPieces pieces;
  switch (pieces.feed(parser, input, cuts)) {
    case ParseState::kNeedMore: return "more";
    case ParseState::kDone: return describe(parser.head());
    case ParseState::kError: break;
  }
  return std::to_string(parser.error_status()) + " " + std::string(parser.error().detail);
}

std::string outcome_everywhere(std::string_view input, HeadLimits limits = {}) {
  return outcome_of_all_cuts(
      input, [&](const std::vector<size_t>& cuts) { return outcome(input, cuts, limits); });
}

std::string status_everywhere(std::string_view input, HeadLimits limits = {}) {
  const std::string text = outcome_everywhere(input, limits);
  return text.substr(0, text.find(' '));
}

struct Good {
  std::string_view input;
  std::string_view described;  // Up to the fields.
};

const Good kGood[] = {
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET|/||a|1.1|keep|"},
    {"GET /v1/models?limit=2 HTTP/1.1\r\nhost: a.b:80\r\n\r\n",
     "GET|/v1/models|limit=2|a.b:80|1.1|keep|"},
    {"GET /? HTTP/1.1\r\nHost: a\r\n\r\n", "GET|/||a|1.1|keep|"},
    {"GET /a?b?c HTTP/1.1\r\nHost: a\r\n\r\n", "GET|/a|b?c|a|1.1|keep|"},
    {"GET /%2e%2e//x;y=1/@:!$&'()*+,= HTTP/1.1\r\nHost: a\r\n\r\n",
     "GET|/%2e%2e//x;y=1/@:!$&'()*+,=||a|1.1|keep|"},
    {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET|/||a|1.1|keep|"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "POST|/||a|1.1|keep|5|"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST|/||a|1.1|keep|0|"},
    {"POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 9223372036854775807\r\n\r\n",
     "POST|/||a|1.1|keep|9223372036854775807|"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:chunked\r\n\r\n",
     "POST|/||a|1.1|keep|chunked|"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \tCHUNKED \t \r\n\r\n",
     "POST|/||a|1.1|keep|chunked|"},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET|/||a|1.1|close|"},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x,, Close ,y\r\n\r\n", "GET|/||a|1.1|close|"},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n",
     "GET|/||a|1.1|close|"},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", "GET|/||a|1.1|keep|"},
    {"GET / HTTP/1.0\r\n\r\n", "GET|/|||1.0|close|"},
    {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET|/|||1.0|keep|"},
    {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "GET|/|||1.0|close|"},
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n",
     "POST|/||a|1.1|keep|expect|1|"},
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
     "POST|/||a|1.1|keep|expect|chunked|"},
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", "POST|/||a|1.1|keep|"},
    {"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
     "POST|/|||1.0|close|1|"},
    {"POST / HTTP/1.0\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n", "POST|/|||1.0|close|1|"},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS|*||a|1.1|keep|"},
    {"GET http://a.b:8080/x?y HTTP/1.1\r\nHost: A.b:8080\r\n\r\n", "GET|/x|y|A.b:8080|1.1|keep|"},
    {"GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n", "GET|/||a|1.1|keep|"},
    {"GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET|/|q|a|1.1|keep|"},
    {"GET http://a/ HTTP/1.0\r\n\r\n", "GET|/||a|1.0|close|"},
    {"PURGE / HTTP/1.1\r\nHost: a\r\n\r\n", "PURGE|/||a|1.1|keep|"},
    {"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "GET|/||[::1]:8080|1.1|keep|"},
    {"GET / HTTP/1.1\r\nHost: a_b.example%20x:\r\n\r\n", "GET|/||a_b.example%20x:|1.1|keep|"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY: \t \r\nZ:  a \t b  \r\nW: caf\xc3\xa9\r\n\r\n",
     "GET|/||a|1.1|keep|Host=a|X=|Y=|Z=a \t b|W=caf\xc3\xa9|"},
    {"GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~9Az: x\r\n\r\n",
     "GET|/||a|1.1|keep|Host=a|!#$%&'*+-.^_`|~9Az=x|"},
};

TEST(RequestParser, good_heads_are_read_the_same_however_they_are_cut) {
  for (const Good& good : kGood) {
    const std::string text = outcome_everywhere(good.input);
    EXPECT_TRUE(text.starts_with(good.described)) << good.input << "\n" << text;
  }
}

TEST(RequestParser, every_strict_prefix_of_a_good_head_needs_more) {
  for (const Good& good : kGood) {
    const size_t head_bytes = good.input.find("\r\n\r\n") + 4;
    for (size_t size = 0; size < head_bytes; ++size) {
      EXPECT_EQ(outcome(good.input.substr(0, size), {}), "more") << good.input << " " << size;
    }
  }
}

struct Bad {
  std::string_view input;
  std::string_view status;
};

// A NUL cannot stand in a literal given to string_view by pointer, so that case is built below.
const Bad kBad[] = {
    // The request line.
    {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "400"},
    {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /\r\n\r\n", "400"},
    {"GET\r\n\r\n", "400"},
    {"GET / HTTP/1.1\nHost: a\r\n\r\n", "400"},
    {"GET / HTTP/1.1\rHost: a\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\rHost: a\r\n\r\n", "400"},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET / HTTP/1\r\nHost: a\r\n\r\n", "400"},
    {"GET / HTTP/1.10\r\nHost: a\r\n\r\n", "400"},
    {"GET / HTTP/a.1\r\nHost: a\r\n\r\n", "400"},
    {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "505"},
    {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", "505"},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
    {"GETGETGETGETGETGETGETGETGETGETGET / HTTP/1.1\r\nHost: a\r\n\r\n", "501"},
    {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "501"},
    // The target.
    {"GET v1/models HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /a\"b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /<a> HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /{a} HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /% HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET http://u@a/x HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET http://a/x HTTP/1.1\r\nHost: b\r\n\r\n", "400"},
    {"GET http://a:81/x HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    // Host.
    {"GET / HTTP/1.1\r\n\r\n", "400"},
    {"GET http://a/ HTTP/1.1\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"},
    {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: [a.b]\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a%2\r\n\r\n", "400"},
    // Field lines.
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\n: a\r\nHost: a\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX(: b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX\xc3\xa9: b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: b\x01\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: b\x7f\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: b\x0b\r\n\r\n", "400"},
    // Expect.
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n", "417"},
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: x\r\n\r\n", "417"},
};

TEST(RequestParser, bad_heads_are_refused_the_same_however_they_are_cut) {
  for (const Bad& bad : kBad) EXPECT_EQ(status_everywhere(bad.input), bad.status) << bad.input;
}

// D65: what two readers could see differently is refused and never forwarded.
TEST(RequestParser, d065_both_framings_are_refused) {
  for (const std::string_view fields : {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                                        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                                        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
                                        "transfer-encoding: identity\r\ncontent-length: 5\r\n"}) {
    const std::string input = "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
    EXPECT_EQ(outcome_everywhere(input), "400 both Content-Length and Transfer-Encoding");
  }
}

TEST(RequestParser, d065_lengths_that_are_repeated_or_not_plain_digits_are_refused) {
  for (const std::string_view fields :
       {"Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n", "Content-Length: +5\r\n", "Content-Length: -5\r\n",
        "Content-Length: 0x5\r\n", "Content-Length: 5 5\r\n", "Content-Length:\r\n",
        "Content-Length: 5;\r\n", "Content-Length: 5.0\r\n",
        "Content-Length: 9223372036854775808\r\n", "Content-Length: 18446744073709551621\r\n",
        "Content-Length: 99999999999999999999999999\r\n"}) {
    const std::string input = "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
    EXPECT_EQ(status_everywhere(input), "400") << fields;
  }
}

TEST(RequestParser, d065_transfer_codings_other_than_one_chunked_are_refused) {
  const Bad cases[] = {
      {"Transfer-Encoding: chunked, chunked\r\n", "400"},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "400"},
      {"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "400"},
      {"Transfer-Encoding: chunked, gzip\r\n", "400"},
      {"Transfer-Encoding: chunked;q=1\r\n", "400"},
      {"Transfer-Encoding: \"chunked\"\r\n", "400"},
      {"Transfer-Encoding: chunked,\r\n", "400"},
      {"Transfer-Encoding: ,chunked\r\n", "400"},
      {"Transfer-Encoding:\r\n", "400"},
      {"Transfer-Encoding: chun ked\r\n", "400"},
      {"Transfer-Encoding: chunked\x0b\r\n", "400"},
      {"Transfer-Encoding: gzip, chunked\r\n", "501"},
      {"Transfer-Encoding: xchunked\r\n", "501"},
      {"Transfer-Encoding: identity\r\n", "501"},
  };
  for (const Bad& bad : cases) {
    const std::string input = "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(bad.input) + "\r\n";
    EXPECT_EQ(status_everywhere(input), bad.status) << bad.input;
  }
  EXPECT_EQ(status_everywhere("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), "400");
}

TEST(RequestParser, d065_folded_lines_and_bare_line_ends_are_refused) {
  for (const std::string_view fields :
       {"X: a\r\n b\r\n", "X: a\r\n\tb: c\r\n", "X: a\r\n \r\n", "X: a\nY: b\r\n", "X: a\rY: b\r\n",
        "X: a\r\r\n", "X: a\r\n\n", "X: a\r\n\rY: b\r\n", "X: a\n\r\n"}) {
    const std::string input = "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
    EXPECT_EQ(status_everywhere(input), "400") << fields;
  }
}

TEST(RequestParser, d065_a_nul_is_refused_wherever_it_stands) {
  const std::string good = "GET /a HTTP/1.1\r\nHost: a\r\nX: bc\r\n\r\n";
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad.insert(at, 1, '\0');
    EXPECT_EQ(status_everywhere(bad), "400") << at;
  }
}

// D16: the path is compared as it was sent; nothing is decoded or folded on the way.
TEST(RequestParser, d016_paths_are_never_normalised) {
  for (const std::string_view path :
       {"/livez/", "//livez", "/LIVEZ", "/livez/../v1/models", "/livez/%2e%2e/v1", "/%6civez"}) {
    const std::string input = "GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n\r\n";
    RequestParser parser({});
    ASSERT_EQ(parser.parse(input), ParseState::kDone);
    EXPECT_EQ(parser.head().path, path);
  }
}

TEST(RequestParser, the_head_may_be_as_large_as_its_limit_and_no_larger) {
  const std::string input = "GET / HTTP/1.1\r\nHost: a\r\nX: 12345\r\n\r\nbody";
  const auto head_bytes = static_cast<uint32_t>(input.size() - 4);
  EXPECT_TRUE(outcome_everywhere(input, {head_bytes, 100}).starts_with("GET|"));
  EXPECT_EQ(status_everywhere(input, {head_bytes - 1, 100}), "431");
  // An error inside the limit wins over the limit, one behind it is never seen.
  EXPECT_EQ(status_everywhere("GET / HTTP/1.1\r\nHost : a\r\n\r\n", {24, 100}), "400");
  EXPECT_EQ(status_everywhere("GET / HTTP/1.1\r\nHost : a\r\n\r\n", {20, 100}), "431");
}

TEST(RequestParser, a_limit_above_what_offsets_can_hold_is_lowered) {
  std::string input = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  input.append(70'000, 'x').append("\r\n\r\n");
  EXPECT_EQ(outcome(input, {}, {1u << 20, 100}), "431 the head is larger than head_bytes_max");
}

TEST(RequestParser, the_count_of_fields_is_bounded) {
  std::string input = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 1; i < 100; ++i) input += "X: y\r\n";
  EXPECT_TRUE(outcome(input + "\r\n", {}).starts_with("GET|"));
  EXPECT_EQ(outcome(input + "X: y\r\n\r\n", {}), "431 more header fields than header_count_max");
  EXPECT_EQ(outcome(input + "X: y\r\n\r\n", {}, {16'000, 1'000}).substr(0, 4), "GET|");
  for (int i = 100; i < 129; ++i) input += "X: y\r\n";
  EXPECT_EQ(outcome(input + "\r\n", {}, {16'000, 1'000}).substr(0, 3), "431");
}

TEST(RequestParser, errors_carry_their_code_and_blame_the_client) {
  const auto error_of = [](std::string_view input) {
    RequestParser parser({64, 2});
    EXPECT_EQ(parser.parse(input), ParseState::kError);
    return parser.error();
  };
  EXPECT_EQ(error_of("\n").code, ErrorCode::kMalformedRequest);
  EXPECT_EQ(error_of("GET / HTTP/1.1\r\nA: b\r\nA: b\r\nA: b\r\n").code, ErrorCode::kHeadTooLarge);
  EXPECT_EQ(error_of("GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n").code,
            ErrorCode::kExpectationFailed);
  EXPECT_EQ(error_of("\n").side, Side::kDownstream);
  EXPECT_EQ(error_of("\n").retry, Retry::kNever);
}

TEST(RequestParser, pipelined_requests_are_read_one_after_the_other) {
  const std::string first = "GET /1 HTTP/1.1\r\nHost: a\r\nX-Request-Id: 7\r\n\r\n";
  const std::string second = "GET /2 HTTP/1.1\r\nHost: b\r\n\r\n";
  const std::string input = first + second;
  RequestParser parser({});
  EXPECT_TRUE(parser.is_idle());
  ASSERT_EQ(parser.parse(input), ParseState::kDone);
  EXPECT_FALSE(parser.is_idle());
  EXPECT_EQ(parser.head().head_bytes, first.size());
  parser.reset();
  EXPECT_TRUE(parser.is_idle());
  ASSERT_EQ(parser.parse(std::string_view(input).substr(first.size())), ParseState::kDone);
  EXPECT_EQ(parser.head().path, "/2");
  // D22: nothing of the first request is left in the second.
  EXPECT_EQ(parser.head().headers.size(), 1u);
  EXPECT_FALSE(parser.head().headers.has(HeaderName::kXRequestId));
  EXPECT_EQ(parser.head().headers.find(HeaderName::kXRequestId).data(), nullptr);
}

TEST(RequestParser, an_empty_line_before_a_request_leaves_it_idle) {
  RequestParser parser({});
  ASSERT_EQ(parser.parse("\r\n"), ParseState::kNeedMore);
  EXPECT_TRUE(parser.is_idle());
  ASSERT_EQ(parser.parse("\r\nG"), ParseState::kNeedMore);
  EXPECT_FALSE(parser.is_idle());
}

TEST(RequestParser, views_follow_a_head_that_was_copied) {
  for (const Good& good : kGood) {
    std::string original(good.input);
    RequestParser parser({});
    ASSERT_EQ(parser.parse(original), ParseState::kDone);
    const std::string described = describe(parser.head());
    const std::string copy = original;
    RequestHead head = parser.head();
    head.rebase(original.data(), copy.data());
    original.assign(original.size(), '!');
    EXPECT_EQ(describe(head), described);
  }
}

TEST(RequestParser, random_cuts_do_not_change_the_outcome) {
  std::mt19937 random(11);
  for (int round = 0; round < 3'000; ++round) {
    std::string input(kGood[random() % std::size(kGood)].input);
    if (random() % 2 == 0) input[random() % input.size()] = static_cast<char>(random());
    std::vector<size_t> cuts;
    for (size_t at = random() % 9; at < input.size(); at += random() % 9) cuts.push_back(at);
    ASSERT_EQ(outcome(input, cuts), outcome(input, {})) << input;
  }
}

}  // namespace
}  // namespace sluice::http
