#include <sluice/http/forwarded.h>

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace sluice::http {
namespace {

std::string walk(std::vector<std::string_view> lines, ForwardedSyntax syntax) {
  ForwardedWalk walk(lines, syntax);
  std::string all;
  while (const auto address = walk.next()) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(AF_INET6, address->data(), text.data(), text.size());
    all += (all.empty() ? "" : " ") + std::string(text.data());
  }
  EXPECT_FALSE(walk.next().has_value());
  return all;
}

std::string forwarded(std::vector<std::string_view> lines) {
  return walk(std::move(lines), ForwardedSyntax::kForwarded);
}

std::string x_forwarded_for(std::vector<std::string_view> lines) {
  return walk(std::move(lines), ForwardedSyntax::kXForwardedFor);
}

TEST(Forwarded, addresses_come_from_the_right) {
  EXPECT_EQ(forwarded({"for=192.0.2.1, FOR=192.0.2.2;proto=https"}),
            "::ffff:192.0.2.2 ::ffff:192.0.2.1");
  EXPECT_EQ(forwarded({"by=1.1.1.1; for=\"[2001:db8::1]:47\";host=\"a,b;c\""}), "2001:db8::1");
  EXPECT_EQ(forwarded({"for=\"192.0.2.1:80\"", "", "for=192.0.2.2"}),
            "::ffff:192.0.2.2 ::ffff:192.0.2.1");
  EXPECT_EQ(x_forwarded_for({"2001:db8::1 , [2001:db8::2],[2001:db8::3]:9", "10.0.0.1:8,10.0.0.2"}),
            "::ffff:10.0.0.2 ::ffff:10.0.0.1 2001:db8::3 2001:db8::2 2001:db8::1");
}

TEST(Forwarded, a_malformed_element_ends_the_walk) {
  for (const char* bad : {"for=",
                          "for",
                          "unknown",
                          "for=unknown",
                          "for=_x",
                          "for=\"_x\"",
                          "for=1.2.3",
                          "for=1.2.3.4.5",
                          "for=2001:db8::1",
                          "for=[2001:db8::1]",
                          "for=\"2001:db8::1\"",
                          "for=1.2.3.4;for=1.2.3.4",
                          "for=1.2.3.4;",
                          "for=1.2.3.4;;a=b",
                          "for=1.2.3.4;proto",
                          "for=\"1.2.3.4",
                          "for=1.2.3.4\"",
                          "for=\"\\1.2.3.4\"",
                          "for=1.2.3.4:80",
                          "proto=http",
                          "for = 1.2.3.4",
                          "for=\"1.2.3.4:x\"",
                          "for=\"[::1%eth0]\"",
                          "for=\"[::1\"",
                          "for=\"[::1]x\"",
                          "for=01.2.3.4"}) {
    const std::string before = "for=9.9.9.9, " + std::string(bad);
    EXPECT_EQ(forwarded({before, "for=192.0.2.2"}), "::ffff:192.0.2.2") << bad;
  }
  for (const char* bad :
       {"", "unknown", "1.2.3", "[::1", "::1]", "1.2.3.4:", "1.2.3.4:123456", "a"}) {
    const std::string before = "9.9.9.9, " + std::string(bad) + ", 192.0.2.2";
    EXPECT_EQ(x_forwarded_for({before}), "::ffff:192.0.2.2") << bad;
  }
}

TEST(Forwarded, d125_an_open_quote_of_the_client_hides_nothing) {
  EXPECT_EQ(forwarded({"for=\"evil", "for=192.0.2.2"}), "::ffff:192.0.2.2");
  EXPECT_EQ(forwarded({"for=\"evil, for=192.0.2.2"}), "::ffff:192.0.2.2");
}

TEST(Forwarded, no_byte_does_harm_wherever_the_line_is_cut) {
  const std::string text = "for=\"[2001:db8::1]:47\" ; by=x , for=192.0.2.1;host=\"a,b\"";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    forwarded({std::string_view(text).substr(0, cut), std::string_view(text).substr(cut)});
    x_forwarded_for({std::string_view(text).substr(cut)});
  }
  EXPECT_EQ(x_forwarded_for({std::string(4000, '1'), std::string(4000, ',')}), "");
  EXPECT_EQ(x_forwarded_for({std::string_view("1.2.3.4\0", 8)}), "");
}

}  // namespace
}  // namespace sluice::http
