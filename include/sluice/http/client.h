// A small client for the control thread: webhooks, key sets, lists of servers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/base/deadline.h>
#include <sluice/base/result.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/net/resolver.h>

namespace sluice::http {

struct ClientOptions {
  std::string url;                 // http or https; what one call names stands behind its path.
  bool private_addresses = false;  // Whether loopback and private addresses may be dialled (D61).
  std::string tls_ca_pem;          // "" stands for the system's certificate authorities.
  std::vector<std::pair<std::string, std::string>> headers;  // Of each call; may be secrets.
  size_t answer_bytes_max = 1u << 20;                        // Of head and body together.
};

struct ClientAnswer {
  uint16_t status = 0;
  std::string content_type;
  std::string body;
  std::optional<Duration> max_age;  // Of its cache-control.
};

// One origin. Connections are kept for kIdleMost and used again; one that the server had closed is
// replaced once. At most kConnectionsMost calls at a time, others wait for their turn. No redirect
// is followed. Lives on one thread, beside its ring.
class Client {
 public:
  static constexpr uint32_t kConnectionsMost = 32;
  static constexpr Duration kIdleMost = seconds(30);

  // The error is a sentence about the options. Both outlive the client.
  [[nodiscard]] static std::expected<std::unique_ptr<Client>, std::string> make(
      io::Ring& ring, net::Resolver& resolver, ClientOptions options);
  // end() comes first once called.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // The whole answer, whatever its status. Errors have static details that say nothing of what was
  // sent. Suspends, until `deadline` at the most.
  Task<Result<ClientAnswer>> get(std::string path, Deadline deadline);
  Task<Result<ClientAnswer>> post(std::string path, std::string content_type, std::string body,
                                  Deadline deadline);
  // Closes all connections; calls under way end. Suspends.
  Task<void> end();

 private:
  struct Parts;
  explicit Client(std::unique_ptr<Parts> parts) noexcept;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::http
