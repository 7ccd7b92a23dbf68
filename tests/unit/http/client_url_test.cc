#include "client_url.h"

#include <gtest/gtest.h>

namespace sluice::http {
namespace {

TEST(ReadClientUrl, parts) {
  const auto plain = read_client_url("http://Api.Example.com/a/b?x=1");
  ASSERT_TRUE(plain.has_value());
  EXPECT_FALSE(plain->is_https);
  EXPECT_EQ(plain->host, "api.example.com");
  EXPECT_EQ(plain->port, 80);
  EXPECT_EQ(plain->authority, "api.example.com");
  EXPECT_EQ(plain->path, "/a/b");
  EXPECT_EQ(plain->query, "?x=1");

  const auto secure = read_client_url("HTTPS://[fd00::1]:8443");
  ASSERT_TRUE(secure.has_value());
  EXPECT_TRUE(secure->is_https);
  EXPECT_EQ(secure->host, "fd00::1");
  EXPECT_EQ(secure->port, 8443);
  EXPECT_EQ(secure->authority, "[fd00::1]:8443");
  EXPECT_EQ(secure->path, "");

  EXPECT_EQ(read_client_url("https://a")->port, 443);
  EXPECT_EQ(read_client_url("http://a?b=c")->query, "?b=c");
}

TEST(ReadClientUrl, d056_what_is_unsafe_or_ambiguous_is_refused) {
  for (const char* url : {"",
                          "a",
                          "ftp://a",
                          "http:/a",
                          "http://",
                          "http:///x",
                          "http://u@a/",
                          "http://u:p@a/",
                          "http://a/#f",
                          "http://a:/",
                          "http://a:0/",
                          "http://a:65536/",
                          "http://a:8x/",
                          "http://a b/",
                          "http://a/b c",
                          "http://a/\xc3\xa4",
                          "http://a\r\nx: y",
                          "http://[fd00::1",
                          "http://[fd00::1]x/",
                          "http://a\\b/",
                          "http://[g::]/",
                          "http://a%41/"}) {
    EXPECT_FALSE(read_client_url(url).has_value()) << url;
  }
  EXPECT_FALSE(read_client_url("http://a/" + std::string(3000, 'x')).has_value());
}

}  // namespace
}  // namespace sluice::http
