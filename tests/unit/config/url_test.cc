#include "url.h"

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

// "authority host port base full query", or why not.
std::string parsed(std::string_view url) {
  const auto endpoint = parse_url(url);
  if (!endpoint) return "FAULT " + endpoint.error().cause;
  return endpoint->authority + " " + endpoint->host + " " + std::to_string(endpoint->port) +
         " base=" + endpoint->base_path + " full=" + endpoint->full_path +
         " query=" + endpoint->query;
}

TEST(Url, d062_host_port_and_path_are_taken_apart) {
  EXPECT_EQ(parsed("http://host:8443/v1/chat/completions"),
            "host:8443 host 8443 base= full=/v1/chat/completions query=");
  EXPECT_EQ(parsed("http://Host.Example/openai/v1/"),
            "host.example host.example 80 base=/openai/v1 full= query=");
  EXPECT_EQ(parsed("HTTP://10.0.0.7:80?a=b"), "10.0.0.7 10.0.0.7 80 base= full= query=a=b");
  EXPECT_EQ(parsed("http://[FD00::7]:8000/x"), "[fd00::7]:8000 fd00::7 8000 base=/x full= query=");
}

TEST(Url, d064_a_scheme_and_a_host_are_required) {
  for (const char* url :
       {"host", "host:8000", "host:8000/v1", "//host/v1", "/v1", "", "host/x?y=http://z"}) {
    EXPECT_EQ(parsed(url), "FAULT has no scheme") << url;
  }
  for (const char* url : {"http://", "http:///v1", "http://:8000", "http://?a=b"}) {
    EXPECT_EQ(parsed(url), "FAULT has no host") << url;
  }
}

TEST(Url, d062_https_has_a_port_of_its_own_and_its_host_header_has_the_port_when_it_is_another) {
  EXPECT_EQ(parsed("https://host:8443/v1/chat/completions"),
            "host:8443 host 8443 base= full=/v1/chat/completions query=");
  EXPECT_EQ(parsed("https://host/v1"), "host host 443 base=/v1 full= query=");
  EXPECT_EQ(parsed("HTTPS://host:443"), "host host 443 base= full= query=");
  EXPECT_EQ(parsed("https://host:80"), "host:80 host 80 base= full= query=");
  EXPECT_EQ(parsed("http://host:443"), "host:443 host 443 base= full= query=");
  EXPECT_EQ(parsed("https://[fd00::7]"), "[fd00::7] fd00::7 443 base= full= query=");
  EXPECT_TRUE(is_https("https://host"));
  EXPECT_TRUE(is_https("HTTPS://host"));
  EXPECT_FALSE(is_https("http://https"));
}

TEST(Url, other_schemes_are_refused) {
  for (const char* url : {"ftp://host", "httpss://host", "https+x://host", "ttps://host"}) {
    EXPECT_EQ(parsed(url), "FAULT has a scheme other than http and https") << url;
  }
}

TEST(Url, server_names_are_host_names_or_numeric_addresses) {
  EXPECT_EQ(parse_server_name("Api.Example.COM"), "api.example.com");
  EXPECT_EQ(parse_server_name("10.0.0.7"), "10.0.0.7");
  EXPECT_EQ(parse_server_name("FD00::7"), "fd00::7");
  for (const char* name : {"", "a b", "127.1", "[fd00::7]", "a:443", "https://a", "*.a"}) {
    EXPECT_FALSE(parse_server_name(name)) << name;
  }
}

TEST(Url, d056_user_fragment_and_ambiguous_addresses_are_refused) {
  for (const char* url : {"http://user:pw@host",
                          "http://user@host",
                          "http://host/#x",
                          "http://host#x",
                          "http://127.1",
                          "http://0177.0.0.1",
                          "http://2130706433",
                          "http://0x7f.1",
                          "http://0x7f000001",
                          "http://1.2.3.4.5",
                          "http://256.1.1.1",
                          "http://host.123",
                          "http://[::ffff:10.0.0.1]",
                          "http://0.0.0.0",
                          "http://[::]",
                          "http://169.254.169.254",
                          "http://[fe80::1]",
                          "http://[fe80::1%25eth0]",
                          "http://[::1",
                          "http://::1",
                          "http://[1.2.3.4]",
                          "http://[::1]x:80",
                          "http://[::1]x"}) {
    EXPECT_TRUE(parsed(url).starts_with("FAULT")) << url << " " << parsed(url);
  }
}

TEST(Url, bad_ports_hosts_and_paths_are_refused) {
  for (const char* url : {"http://host:0",
                          "http://host:65536",
                          "http://host:",
                          "http://host:80a",
                          "http://host:-1",
                          "http://a b",
                          "http://-a",
                          "http://a-",
                          "http://a..b",
                          "http://a.",
                          "http://h\xc3\xb6st",
                          "http://host/a b",
                          "http://host/a\nb",
                          "http://host/%zz",
                          "http://host/%2",
                          "http://host/a//b",
                          "http://host/../x",
                          "http://host/./x",
                          "http://host/%2E%2e/x",
                          "http://host/x\\y",
                          "http://host?a b",
                          "http://host?a=\r\nx:y"}) {
    EXPECT_TRUE(parsed(url).starts_with("FAULT")) << url << " " << parsed(url);
  }
  EXPECT_FALSE(parse_url("http://host/" + std::string(3000, 'a')));
  EXPECT_FALSE(parse_url("http://" + std::string(64, 'a')));
  EXPECT_TRUE(parse_url("http://" + std::string(63, 'a')));
}

TEST(Url, a_fault_repeats_nothing_of_the_url) {
  for (const char* url : {"http://user:canary@host", "canary", "canary://x", "http://host:canary",
                          "http://host/canary canary", "http://host?canary canary"}) {
    const auto endpoint = parse_url(url);
    ASSERT_FALSE(endpoint) << url;
    EXPECT_EQ((endpoint.error().cause + endpoint.error().remedy).find("canary"), std::string::npos);
  }
}

TEST(Url, knows_a_version_at_the_end_of_a_path) {
  for (const char* url : {"http://h/v1", "http://h/x/v4", "http://h/v1beta", "http://h/v1/"}) {
    EXPECT_TRUE(parse_url(url)->has_version) << url;
  }
  for (const char* url : {"http://h", "http://h/v", "http://h/vx", "http://h/v1/x", "http://h/1"}) {
    EXPECT_FALSE(parse_url(url)->has_version) << url;
  }
}

}  // namespace
}  // namespace sluice::config
