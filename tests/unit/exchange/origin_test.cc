#include "origin.h"

#include <gtest/gtest.h>

#include <string>

#include <sluice/http/request_parser.h>

namespace sluice::exchange {
namespace {

Ipv6Bytes v4(uint8_t a, uint8_t d) {
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, a, 0, 0, d};
}

// The proxies are 10.0.0.0/8.
Ipv6Bytes client_of(const Ipv6Bytes& peer, const std::string& lines) {
  const config::AddressRange trusted[] = {{v4(10, 0), 96 + 8}};
  const std::string text = "GET / HTTP/1.1\r\nhost: t\r\n" + lines + "\r\n";
  http::RequestParser parser({});
  EXPECT_EQ(parser.parse(text), http::ParseState::kDone);
  return find_client(peer, trusted, parser.head().headers);
}

TEST(Origin, d125_the_word_of_a_peer_that_is_not_trusted_changes_nothing) {
  for (const char* lines : {"x-forwarded-for: 7.0.0.7\r\n", "forwarded: for=7.0.0.7\r\n",
                            "x-real-ip: 7.0.0.7\r\n", "x-forwarded-for: 10.0.0.1, 10.0.0.2\r\n"}) {
    EXPECT_EQ(client_of(v4(192, 1), lines), v4(192, 1)) << lines;
  }
}

TEST(Origin, d125_what_a_client_put_in_front_of_its_proxys_word_is_not_reached) {
  EXPECT_EQ(client_of(v4(10, 1), "x-forwarded-for: 7.0.0.7, 192.0.0.1, 10.0.0.2\r\n"), v4(192, 1));
  EXPECT_EQ(client_of(v4(10, 1), "forwarded: for=\"7.0.0.7\r\nforwarded: for=192.0.0.1\r\n"),
            v4(192, 1));
  EXPECT_EQ(client_of(v4(10, 1), "x-real-ip: 7.0.0.7\r\n"), v4(10, 1));
}

TEST(Origin, forwarded_goes_first_and_a_bad_element_leaves_the_last_good_address) {
  EXPECT_EQ(client_of(v4(10, 1), "x-forwarded-for: 7.0.0.7\r\nforwarded: for=192.0.0.1\r\n"),
            v4(192, 1));
  EXPECT_EQ(client_of(v4(10, 1), "forwarded: for=192.0.0.1, for=unknown, for=10.0.0.3\r\n"),
            v4(10, 3));
  EXPECT_EQ(client_of(v4(10, 1), "forwarded: nonsense\r\nx-forwarded-for: 7.0.0.7\r\n"), v4(10, 1));
}

}  // namespace
}  // namespace sluice::exchange
