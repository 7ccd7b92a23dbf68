#include <sluice/control/fetch.h>

#include <charconv>

#include <fmt/format.h>

#include <sluice/http/response_parser.h>
#include <sluice/io/timer.h>
#include <sluice/net/address_choice.h>
#include <sluice/net/dialer.h>
#include <sluice/net/stream.h>

namespace sluice::control {
namespace {

constexpr uint16_t kOk = 200;
constexpr uint16_t kHttpPort = 80;
constexpr size_t kHeadBytesMax = 16 * 1024;

struct Target {
  std::string host;  // Without brackets.
  uint16_t port = kHttpPort;
  std::string authority;
  std::string path;
};

Target read_target(std::string_view url) {
  url.remove_prefix(std::string_view("http://").size());
  const size_t end = std::min(url.find_first_of("/?"), url.size());
  Target target{.authority = std::string(url.substr(0, end)), .path = std::string(url.substr(end))};
  if (!target.path.starts_with('/')) target.path.insert(0, "/");
  std::string_view host = target.authority;
  const size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
    const std::string_view port = host.substr(colon + 1);
    std::from_chars(port.data(), port.data() + port.size(), target.port);
    host = host.substr(0, colon);
  }
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  target.host = host;
  return target;
}

// All that the server says until it closes.
Task<std::expected<std::string, std::string_view>> converse(net::Stream& stream,
                                                            const std::string& request,
                                                            size_t bytes_max, io::Timer& timer,
                                                            io::Event& gone) {
  const std::string_view slices[] = {request};
  stream.start_send(slices);
  co_await io::first_of(&stream.sent(), &timer, &gone);
  if (!stream.sent().is_ready()) {
    stream.shut_down();
    co_await io::first_of(&stream.sent());
  }
  if (!stream.take_sent()) co_return std::unexpected("the connection was lost");
  std::string text;
  for (;;) {
    stream.start_receive();
    co_await io::first_of(&stream.received(), &timer, &gone);
    if (!stream.received().is_ready()) co_return std::unexpected("no answer in time");
    const Result<io::Buffer> received = stream.take_received();
    if (!received) co_return std::unexpected("the connection was lost");
    if (received->is_empty()) co_return text;
    if (text.size() + received->bytes().size() > bytes_max) {
      co_return std::unexpected("the answer is too long");
    }
    text += received->bytes();
  }
}

std::expected<std::string, std::string_view> read_answer(const std::string& text) {
  http::ResponseParser parser({.head_bytes_max = kHeadBytesMax});
  if (parser.parse(text) != http::ParseState::kDone) {
    return std::unexpected("the answer is not valid HTTP");
  }
  const http::ResponseHead& head = parser.head();
  if (head.status != kOk) return std::unexpected("the answer is not a 200");
  const std::string body = text.substr(head.head_bytes);
  switch (head.body.kind) {
    case http::BodyKind::kUntilClose: return body;
    case http::BodyKind::kLength:
      if (body.size() >= head.body.length) return body.substr(0, head.body.length);
      return std::unexpected("the answer was cut");
    default: return std::unexpected("the answer has no body that HTTP/1.0 knows");
  }
}

}  // namespace

Task<std::expected<std::string, std::string_view>> fetch(io::Ring& ring, net::Resolver& resolver,
                                                         FetchRequest request, Deadline deadline,
                                                         io::Event& gone) {
  const Target target = read_target(request.url);
  const auto found = co_await resolver.find_addresses(target.host, target.port);
  if (!found) co_return std::unexpected("its name is not known");
  const Result<net::AddressList> chosen =
      net::choose_addresses(found->addresses, request.private_addresses, 0);
  if (!chosen) co_return std::unexpected("its address may not be dialled (private_addresses)");
  const Result<int> fd = co_await net::dial(ring, *chosen, {}, deadline, &gone);
  if (!fd) co_return std::unexpected("it cannot be reached");
  net::Stream stream(ring, *fd, Side::kUpstream);
  io::Timer timer(ring.ready(), ring.timers());
  timer.set(deadline);
  const std::string head =
      fmt::format("GET {} HTTP/1.0\r\nhost: {}\r\naccept: application/json\r\n\r\n", target.path,
                  target.authority);
  const auto text = co_await converse(stream, head, request.bytes_max, timer, gone);
  co_await stream.close();
  if (!text) co_return std::unexpected(text.error());
  co_return read_answer(*text);
}

}  // namespace sluice::control
