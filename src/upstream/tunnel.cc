#include "tunnel.h"

#include <algorithm>
#include <array>

#include <sluice/base/ip_class.h>
#include <sluice/http/response_parser.h>
#include <sluice/io/timer.h>

namespace sluice::upstream {
namespace {

Unexpected refused(std::string_view detail) {
  return fail(ErrorCode::kUpstreamConnect, Side::kUpstream, Retry::kYes, detail);
}

Unexpected client_left() {
  return fail(ErrorCode::kDownstreamLost, Side::kDownstream, "client left during connect");
}

Unexpected explain(uint16_t status) {
  switch (status) {
    case 403: return refused("proxy: the upstream is not allowed there (403)");
    case 407: return refused("proxy: its authorization is missing or wrong (407)");
    case 502: return refused("proxy: cannot reach the upstream (502)");
    case 503: return refused("proxy: not available (503)");
    case 504: return refused("proxy: the upstream did not answer it (504)");
    default: return refused("proxy: answered CONNECT with a status other than 2xx");
  }
}

// What the proxy has said so far.
class ProxyAnswer {
 public:
  // Whether the tunnel is open.
  [[nodiscard]] Result<bool> take(std::string_view bytes) noexcept {
    if (bytes.size() > bytes_.size() - size_) return refused("proxy: its answer is too long");
    std::ranges::copy(bytes, bytes_.begin() + static_cast<ptrdiff_t>(size_));
    size_ += bytes.size();
    for (;;) {
      const std::string_view unread(bytes_.data() + read_, size_ - read_);
      switch (parser_.parse(unread)) {
        case http::ParseState::kNeedMore: return false;
        case http::ParseState::kError: return refused("proxy: its answer is not valid HTTP");
        case http::ParseState::kDone: break;
      }
      const http::ResponseHead& head = parser_.head();
      read_ += head.head_bytes;
      if (!head.is_interim()) return finish(head.status);
      parser_.reset(http::AnswerTo::kHead);
    }
  }

 private:
  [[nodiscard]] Result<bool> finish(uint16_t status) const noexcept {
    if (status >= 300) return explain(status);
    // The upstream cannot speak before it was spoken to.
    if (read_ < size_) return refused("proxy: sent more than its answer");
    return true;
  }

  std::array<char, kProxyAnswerBytesMax> bytes_;
  size_t size_ = 0;
  size_t read_ = 0;  // Of interim heads.
  // A success has no body whatever its fields say, as with an answer to HEAD.
  http::ResponseParser parser_{{.head_bytes_max = kProxyAnswerBytesMax}, http::AnswerTo::kHead};
};

}  // namespace

std::string tunnel_request(const Reach& reach) {
  if (!reach.proxy) return {};
  const bool is_ipv6 = reach.host.find(':') != std::string::npos;
  const std::string target =
      (is_ipv6 ? '[' + reach.host + ']' : reach.host) + ':' + std::to_string(reach.port);
  std::string request = "CONNECT " + target + " HTTP/1.1\r\nhost: " + target + "\r\n";
  const std::string& authorization = reach.proxy->authorization;
  if (!authorization.empty()) request += "proxy-authorization: " + authorization + "\r\n";
  return request + "\r\n";
}

bool is_target_allowed(const Reach& reach) noexcept {
  const std::optional<IpClass> target = classify_text(reach.host);
  return !target || may_dial(*target, reach.private_addresses);
}

Task<Result<void>> open_tunnel(net::Stream& stream, std::string_view request, Deadline deadline,
                               io::Event* gone) {
  io::Timer timer(stream.ring().ready(), stream.ring().timers());
  timer.set(deadline);
  stream.start_send({&request, 1});
  co_await io::first_of(&stream.sent(), &timer, gone);
  if (!stream.sent().is_ready()) {
    stream.shut_down();
    co_await io::first_of(&stream.sent());
  }
  const Result<void> sent = stream.take_sent();
  ProxyAnswer answer;
  for (;;) {
    if (gone != nullptr && gone->is_ready()) co_return client_left();
    if (timer.is_ready()) co_return refused("proxy: no answer in time");
    if (!sent) co_return refused("proxy: closed the connection");
    stream.start_receive();
    co_await io::first_of(&stream.received(), &timer, gone);
    if (!stream.received().is_ready()) continue;
    Result<io::Buffer> received = stream.take_received();
    if (!received || received->is_empty()) co_return refused("proxy: closed the connection");
    const Result<bool> is_open = answer.take(received->bytes());
    if (!is_open) co_return std::unexpected(is_open.error());
    if (*is_open) co_return Result<void>();
  }
}

}  // namespace sluice::upstream
