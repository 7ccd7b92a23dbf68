// What lies between a simulated peer's program and its connection: TLS by a library that is not
// the gateway's.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace sluice::support {

// Turns a program's bytes into those of the wire and back.
class PeerLayer {
 public:
  virtual ~PeerLayer() = default;
  // What goes out before the program says anything; "" to wait for the other side.
  [[nodiscard]] virtual std::string begin() = 0;
  // What the program is to read of received bytes. What the layer itself has to answer, and what
  // waited for that, is added to `wire`.
  [[nodiscard]] virtual std::string unwrap(std::string_view received, std::string& wire) = 0;
  [[nodiscard]] virtual std::string wrap(std::string_view bytes) = 0;
  // The orderly end.
  [[nodiscard]] virtual std::string end() = 0;
};

// A client that trusts `authority_pem` and asks for `name`; sends that as SNI when it is a name,
// and `protocol` by ALPN unless it is "".
[[nodiscard]] std::unique_ptr<PeerLayer> make_tls_client_layer(const std::string& authority_pem,
                                                               const std::string& name,
                                                               const std::string& protocol = {});
[[nodiscard]] std::unique_ptr<PeerLayer> make_tls_server_layer(const std::string& certificate_pem,
                                                               const std::string& key_pem);

}  // namespace sluice::support
