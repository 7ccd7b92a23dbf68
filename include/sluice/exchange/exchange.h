// One request from first byte to last: the seven phases in order.
#pragma once

#include <optional>

#include <sluice/auth/key_memory.h>
#include <sluice/base/ip_class.h>
#include <sluice/exchange/services.h>
#include <sluice/http/request_body.h>
#include <sluice/http/request_parser.h>
#include <sluice/http/response_sink.h>
#include <sluice/io/task.h>

namespace sluice::exchange {

// A head that the server could not accept; the exchange then only answers and settles.
struct RefusedHead {
  Error error{};
  uint16_t status = 0;  // 0 when the head was accepted.
};

// Runs on the shard that owns the connection. The phases, their files and their results are drawn
// in docs/LIFE_OF_A_REQUEST.md; run() is that picture.
class Exchange {
 public:
  // Everything passed by reference must live until run() completes. `peer` is who the connection
  // came from, IPv4 as ::ffff:a.b.c.d; empty where nothing asks for it, or once it has gone.
  // `began_at` is when the first byte of the head came.
  Exchange(Services& services, const http::RequestHead& head, http::RequestBody& body,
           http::ResponseSink& client, auth::KeyMemory& key_memory,
           const std::optional<Ipv6Bytes>& peer, MonoTime began_at, RefusedHead refused) noexcept;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Answers the request, whatever happens, unless the client leaves. Settles exactly once, also
  // after any failure. Suspends. Call once.
  Task<void> run();

 private:
  // Of the client; empty where it cannot be known.
  [[nodiscard]] std::optional<Ipv6Bytes> find_address(
      const config::Snapshot& config) const noexcept;

  Services& services_;
  const http::RequestHead& head_;
  http::RequestBody& body_;
  http::ResponseSink& client_;
  auth::KeyMemory& key_memory_;
  std::optional<Ipv6Bytes> peer_;
  MonoTime began_at_;
  RefusedHead refused_;
};

}  // namespace sluice::exchange
