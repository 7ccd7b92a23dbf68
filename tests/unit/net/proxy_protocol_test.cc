#include <sluice/net/proxy_protocol.h>

#include <gtest/gtest.h>

#include <string>

namespace sluice::net {
namespace {

std::string header(char command, char family, const std::string& behind) {
  std::string text("\r\n\r\n\0\r\nQUIT\n", 12);
  text += {command, family, static_cast<char>(behind.size() >> 8),
           static_cast<char>(behind.size() & 0xFF)};
  return text + behind;
}

const std::string kIpv4 =
    header(0x21, 0x11, std::string("\xC0\0\2\7\x7F\0\0\1\x30\x39\x01\xBB", 12));
const std::string kIpv6 = header(0x21, 0x21, "\x20\x01\x0D\xB8" + std::string(32, '\1') + "tlv");
const std::string kLocal = header(0x20, 0x00, "");

TEST(ProxyProtocol, good_headers_are_read_at_every_cut) {
  for (const std::string& text : {kIpv4, kIpv6, kLocal}) {
    for (size_t cut = 0; cut < text.size(); ++cut) {
      const ProxyHeader part = parse_proxy_header(std::string_view(text).substr(0, cut));
      EXPECT_EQ(part.state, ProxyState::kNeedMore) << cut;
      EXPECT_GT(part.bytes, cut);
      EXPECT_LE(part.bytes, text.size());
    }
    const ProxyHeader whole = parse_proxy_header(text + "GET /");
    EXPECT_EQ(whole.state, ProxyState::kDone);
    EXPECT_EQ(whole.bytes, text.size());
  }
  const Ipv6Bytes v4{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, 7};
  EXPECT_EQ(parse_proxy_header(kIpv4).source, v4);
  const Ipv6Bytes v6{0x20, 1, 0x0D, 0xB8, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  EXPECT_EQ(parse_proxy_header(kIpv6).source, v6);
  EXPECT_EQ(parse_proxy_header(kLocal).source, std::nullopt);
}

TEST(ProxyProtocol, all_else_is_refused) {
  const std::string bad[] = {"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n",
                             "GET / HTTP/1.1\r\n",
                             std::string(16, '\0'),
                             header(0x11, 0x11, std::string(12, '\1')),
                             header(0x22, 0x11, std::string(12, '\1')),
                             header(0x21, 0x12, std::string(12, '\1')),
                             header(0x21, 0x31, std::string(216, '\1')),
                             header(0x21, 0x00, ""),
                             header(0x21, 0x11, std::string(11, '\1')),
                             header(0x21, 0x21, std::string(35, '\1')),
                             header(0x21, 0x11, std::string(521, '\1'))};
  for (const std::string& text : bad) {
    EXPECT_EQ(parse_proxy_header(text).state, ProxyState::kRefused) << text;
  }
  EXPECT_EQ(parse_proxy_header(header(0x21, 0x11, std::string(520, '\1'))).state,
            ProxyState::kDone);
}

}  // namespace
}  // namespace sluice::net
