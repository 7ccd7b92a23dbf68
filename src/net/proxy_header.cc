#include <sluice/net/proxy_header.h>

#include <array>

#include <sluice/io/timer.h>
#include <sluice/net/proxy_protocol.h>

namespace sluice::net {
namespace {

Unexpected failed(ErrorCode code, std::string_view why) {
  return fail(code, Side::kDownstream, why);
}

}  // namespace

Task<Result<std::optional<Ipv6Bytes>>> receive_proxy_header(Stream& stream, Deadline deadline,
                                                            io::Event* gone) {
  io::Timer timer(stream.ring().ready(), stream.ring().timers());
  timer.set(deadline);
  std::array<char, kProxyBytesMax> bytes;
  size_t count = 0;
  ProxyHeader header;
  while (header.state == ProxyState::kNeedMore) {
    stream.start_receive_into(bytes.data() + count, static_cast<uint32_t>(header.bytes - count));
    co_await io::first_of(&stream.received(), &timer, gone);
    if (!stream.received().is_ready()) {
      // It writes into this frame and must end first.
      stream.stop_receiving();
      if (stream.is_receiving()) co_await io::first_of(&stream.received());
      if (timer.is_ready()) co_return failed(ErrorCode::kRequestTimeout, "no PROXY header in time");
      co_return failed(ErrorCode::kDownstreamLost, "ended before the PROXY header");
    }
    const Result<uint32_t> received = stream.take_received_count();
    if (!received || *received == 0) {
      co_return failed(ErrorCode::kDownstreamLost, "closed before the PROXY header");
    }
    count += *received;
    header = parse_proxy_header({bytes.data(), count});
  }
  if (header.state == ProxyState::kRefused) {
    co_return failed(ErrorCode::kMalformedRequest, "no PROXY header of version 2");
  }
  co_return header.source;
}

}  // namespace sluice::net
