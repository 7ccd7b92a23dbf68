#include <sluice/http/headers.h>

#include <gtest/gtest.h>

#include <cctype>
#include <string>
#include <vector>

#include <sluice/http/request_parser.h>

namespace sluice::http {
namespace {

TEST(HeaderName, every_known_name_is_found_in_any_case) {
  for (size_t i = 1; i < kHeaderNameCount; ++i) {
    const auto id = static_cast<HeaderName>(i);
    std::string name(to_string(id));
    ASSERT_FALSE(name.empty());
    EXPECT_EQ(header_name(name), id) << name;
    for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    EXPECT_EQ(header_name(name), id) << name;
  }
}

TEST(HeaderName, names_that_differ_in_one_byte_are_not_known) {
  for (size_t i = 1; i < kHeaderNameCount; ++i) {
    const auto id = static_cast<HeaderName>(i);
    const std::string name(to_string(id));
    EXPECT_EQ(header_name(name.substr(1)), HeaderName::kOther) << name;
    EXPECT_EQ(header_name(name + "-"), HeaderName::kOther) << name;
    for (size_t at = 0; at < name.size(); ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string other = name;
        other[at] = static_cast<char>(byte);
        if (equals_ignoring_case(other, name)) continue;
        EXPECT_NE(header_name(other), id) << other;
      }
    }
  }
  EXPECT_EQ(header_name(""), HeaderName::kOther);
}

RequestHead head_with(std::string_view fields, std::string& storage) {
  storage = "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
  RequestParser parser({});
  EXPECT_EQ(parser.parse(storage), ParseState::kDone);
  return parser.head();
}

TEST(HeaderList, finds_fields_by_number_and_by_text) {
  std::string storage;
  const RequestHead head = head_with("X-API-Key: k\r\nOpenAI-Beta: b\r\nx-api-key: l\r\n", storage);
  EXPECT_EQ(head.headers.find(HeaderName::kXApiKey), "k");
  EXPECT_EQ(head.headers.count(HeaderName::kXApiKey), 2u);
  EXPECT_EQ(head.headers.find("openai-beta"), "b");
  EXPECT_EQ(head.headers.find("openai-bet"), "");
  EXPECT_FALSE(head.headers.has(HeaderName::kAuthorization));
  EXPECT_EQ(head.headers.count(HeaderName::kAuthorization), 0u);
}

// The places of the first fields are kept; all others must not be told from them.
TEST(HeaderList, fields_beyond_the_kept_places_are_as_the_first_ones) {
  constexpr size_t kMost = 100;  // HeadLimits' own bound.
  for (size_t size = 2; size <= kMost; ++size) {
    std::string fields;
    std::vector<std::pair<std::string, std::string>> wanted = {{"Host", "a"}};
    for (size_t i = 1; i + 1 < size; ++i) {
      // Values that are empty, have blanks and colons within, and white space around them.
      const std::string value =
          i % 3 == 0 ? "" : "v:" + std::string(i % 5, ' ') + std::to_string(i);
      wanted.emplace_back("X-Field-" + std::to_string(i), value);
      fields += wanted.back().first + ":" + std::string(i % 4, '\t') + value;
      fields += std::string(i % 2, ' ') + "\r\n";
    }
    wanted.emplace_back("retry-AFTER", "7");
    fields += "retry-AFTER: 7\r\n";
    std::string storage;
    RequestHead head = head_with(fields, storage);
    std::string moved = storage;  // The list goes along with the head's bytes.
    head.rebase(storage.data(), moved.data());
    storage.assign(storage.size(), '?');
    ASSERT_EQ(head.headers.size(), size);
    size_t at = 0;
    for (const HeaderField field : head.headers) {
      ASSERT_LT(at, size);
      EXPECT_EQ(field.name, wanted[at].first);
      EXPECT_EQ(field.value, wanted[at].second) << field.name;
      EXPECT_EQ(field.id, header_name(field.name));
      EXPECT_EQ(head.headers.find(field.name), field.value) << field.name;
      ++at;
    }
    EXPECT_EQ(at, size);
    EXPECT_EQ(head.headers.find(HeaderName::kRetryAfter), "7");
    EXPECT_EQ(head.headers.count(HeaderName::kRetryAfter), 1u);
    EXPECT_EQ(head.headers.find("x-field-100").data(), nullptr);
  }
}

// D118: hop-by-hop fields stay on their connection, also those that Connection names.
TEST(HopByHop, d118_connection_fields_and_those_they_name_are_not_forwarded) {
  std::string storage;
  const RequestHead head = head_with(
      "Connection: keep-alive, X-Private\r\nKeep-Alive: 5\r\nTE: trailers\r\nTrailer: x\r\n"
      "Upgrade: h2c\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\nProxy-Authenticate: x\r\n"
      "Transfer-Encoding: chunked\r\nconnection: Other\r\n"
      "x-private: 1\r\nOTHER: 2\r\nX-Priv: 3\r\nContent-Type: t\r\n",
      storage);
  const ConnectionOptions connection(head.headers);
  std::vector<std::string> forwarded;
  for (const HeaderField field : head.headers) {
    if (!is_hop_by_hop(field, connection)) forwarded.emplace_back(field.name);
  }
  EXPECT_EQ(forwarded, (std::vector<std::string>{"Host", "X-Priv", "Content-Type"}));
  EXPECT_TRUE(connection.keep_alive());
  EXPECT_FALSE(connection.close());
}

TEST(ListItems, skips_empty_items_and_trims_white_space) {
  ListItems items(" a,, b\t, ,c d ,");
  EXPECT_EQ(items.next(), "a");
  EXPECT_EQ(items.next(), "b");
  EXPECT_EQ(items.next(), "c d");
  EXPECT_EQ(items.next(), "");
  EXPECT_TRUE(list_contains("text/html, Text/Event-Stream", "text/event-stream"));
  EXPECT_FALSE(list_contains("text/event-streams", "text/event-stream"));
}

TEST(Token, is_not_empty_and_holds_token_characters_only) {
  EXPECT_TRUE(is_token("x-Request_1"));
  for (const std::string_view text : {"", "a b", "a:", "a\r", "(a)", "caf\xc3\xa9"}) {
    EXPECT_FALSE(is_token(text)) << text;
  }
}

}  // namespace
}  // namespace sluice::http
