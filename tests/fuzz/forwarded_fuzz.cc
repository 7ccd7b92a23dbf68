// Whatever stands to the left cannot change what a proxy wrote to the right of it; the walk ends;
// a PROXY header is judged the same whole and at the cuts that its reader makes.
#include <sluice/http/forwarded.h>
#include <sluice/net/proxy_protocol.h>

#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using fuzz::expect;

size_t walk_to_the_end(std::string_view line, http::ForwardedSyntax syntax) {
  http::ForwardedWalk walk({&line, 1}, syntax);
  size_t steps = 0;
  while (walk.next()) ++steps;
  return steps;
}

void check_right_end(std::string_view text, http::ForwardedSyntax syntax, std::string_view last) {
  const Ipv6Bytes wanted{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, 1};
  const std::string joined = std::string(text) + "," + std::string(last);
  const std::string_view line = joined;
  http::ForwardedWalk walk({&line, 1}, syntax);
  const auto first = walk.next();
  expect(first.has_value() && *first == wanted, "what the proxy wrote is read");
}

void check_proxy(std::string_view text) {
  const net::ProxyHeader whole = net::parse_proxy_header(text);
  net::ProxyHeader step;
  while (step.state == net::ProxyState::kNeedMore && step.bytes <= text.size()) {
    const size_t bytes = step.bytes;
    step = net::parse_proxy_header(text.substr(0, bytes));
    expect(step.state != net::ProxyState::kNeedMore || step.bytes > bytes, "it goes on");
    expect(step.bytes <= net::kProxyBytesMax, "it is bounded");
  }
  expect(whole.state == step.state || step.state == net::ProxyState::kNeedMore, "the same state");
  if (whole.state == net::ProxyState::kDone) {
    expect(whole.bytes == step.bytes && whole.source == step.source, "the same header");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  using http::ForwardedSyntax;
  expect(walk_to_the_end(text, ForwardedSyntax::kForwarded) <= size, "the walk ends");
  expect(walk_to_the_end(text, ForwardedSyntax::kXForwardedFor) <= size, "the walk ends");
  check_right_end(text, ForwardedSyntax::kForwarded, "for=192.0.2.1");
  check_right_end(text, ForwardedSyntax::kXForwardedFor, "192.0.2.1");
  check_proxy(text);
  return 0;
}
