#include "drive/fetch.h"

#include <optional>

namespace sluice::load {
namespace {

constexpr int kReceiveBytesMax = 256 * 1024;

Task<void> fetch_into(Connection& connection, net::Address address, std::string_view request,
                      std::optional<Result<std::string>>& out) {
  Result<std::string> body = co_await fetch_body(connection, address, request);
  co_await connection.close();
  out = std::move(body);
}

}  // namespace

Task<Result<std::string>> fetch_body(Connection& connection, net::Address address,
                                     std::string_view request) {
  if (!connection.is_open()) {
    const Result<void> opened = co_await connection.open(address, kReceiveBytesMax);
    if (!opened) co_return std::unexpected(opened.error());
  }
  const Result<void> sent = co_await connection.send(request);
  if (!sent) co_return std::unexpected(sent.error());
  const Result<const http::ResponseHead*> head = co_await connection.read_head();
  if (!head) co_return std::unexpected(head.error());
  const uint16_t status = (*head)->status;
  std::string body;
  for (;;) {
    const Result<std::string_view> span = co_await connection.read_body();
    if (!span) co_return std::unexpected(span.error());
    if (span->empty()) break;
    body += *span;
  }
  if (status != 200) {
    co_return fail(ErrorCode::kUpstreamStatus, Side::kUpstream, "status is not 200");
  }
  co_return body;
}

Result<std::string> fetch_now(io::Ring& ring, net::Address address, std::string_view request,
                              Duration timeout) {
  Connection connection(ring, timeout);
  std::optional<Result<std::string>> body;
  io::start_detached(fetch_into(connection, address, request, body));
  while (!body) ring.turn();
  return std::move(*body);
}

}  // namespace sluice::load
