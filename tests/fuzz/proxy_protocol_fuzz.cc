// A PROXY header is what a second reading of the specification says, at every prefix; version 1 is
// refused at its first byte, and nothing behind the header changes how it is judged.
#include <sluice/net/proxy_protocol.h>

#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using fuzz::expect;
using net::ProxyHeader;
using net::ProxyState;

// Byte by byte, with no thought of speed.
ProxyHeader reference(std::string_view text) {
  const std::string signature("\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A", 12);
  const ProxyHeader refusal{ProxyState::kRefused, 0, std::nullopt};
  for (size_t i = 0; i < signature.size(); ++i) {
    if (i == text.size()) return {};
    if (text[i] != signature[i]) return refusal;
  }
  const auto byte = [&](size_t at) { return static_cast<uint8_t>(text[at]); };
  if (text.size() == 12) return {};
  const bool is_local = byte(12) == 0x20;
  if (!is_local && byte(12) != 0x21) return refusal;
  if (text.size() == 13) return {};
  size_t addresses = 0;
  if (!is_local) {
    if (byte(13) == 0x11) addresses = 4 + 4 + 2 + 2;
    if (byte(13) == 0x21) addresses = 16 + 16 + 2 + 2;
    if (addresses == 0) return refusal;
  }
  if (text.size() < 16) return {};
  const size_t length = byte(14) * 256u + byte(15);
  if (length < addresses || 16 + length > net::kProxyBytesMax) return refusal;
  if (text.size() < 16 + length) return {ProxyState::kNeedMore, 16 + length, std::nullopt};
  ProxyHeader header{ProxyState::kDone, 16 + length, std::nullopt};
  if (is_local) return header;
  Ipv6Bytes source{};
  const size_t width = addresses == 12 ? 4 : 16;
  for (size_t i = 0; i < width; ++i) source[16 - width + i] = byte(16 + i);
  if (width == 4) source[10] = source[11] = 0xFF;
  header.source = source;
  return header;
}

bool is_equal(const ProxyHeader& left, const ProxyHeader& right) {
  return left.state == right.state && left.bytes == right.bytes && left.source == right.source;
}

void check(std::string_view text) {
  ProxyState settled = ProxyState::kNeedMore;
  size_t bytes = 0;
  const size_t looked_at = std::min(text.size(), net::kProxyBytesMax + 8);
  for (size_t length = 0; length <= looked_at; ++length) {
    const std::vector<char> copy = fuzz::copy_of(text.substr(0, length));
    const ProxyHeader header = net::parse_proxy_header(fuzz::view_of(copy));
    expect(is_equal(header, reference(fuzz::view_of(copy))), "both readings agree");
    expect(header.bytes <= net::kProxyBytesMax, "a header is bounded");
    if (settled != ProxyState::kNeedMore) {
      expect(header.state == settled && header.bytes == bytes, "what follows changes nothing");
    } else if (header.state == ProxyState::kNeedMore) {
      expect(header.bytes > length, "it waits for bytes that are not there");
    } else if (header.state == ProxyState::kDone) {
      expect(header.bytes == length, "it is done with its last byte");
    }
    settled = header.state;
    bytes = header.bytes;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  check(text);
  const std::string version_1 = "PROXY TCP4 " + std::string(text);
  expect(net::parse_proxy_header(version_1).state == ProxyState::kRefused, "version 1 is refused");
  expect(net::parse_proxy_header("P").state == ProxyState::kRefused, "and at its first byte");
  return 0;
}
