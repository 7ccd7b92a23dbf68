// How documents of an issuer are fetched.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>

#include <sluice/base/clock.h>
#include <sluice/base/deadline.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/net/resolver.h>

namespace sluice::auth {

struct FetchedDocument {
  std::string body;
  std::optional<Duration> max_age;
};

class KeyFetch {
 public:
  virtual ~KeyFetch() = default;
  // The body of a 200. The error is a sentence that names `url`. One call at a time. Suspends,
  // until `deadline` at the most.
  virtual Task<std::expected<FetchedDocument, std::string>> get(std::string url,
                                                                Deadline deadline) = 0;
  // What is under way ends. Suspends.
  virtual Task<void> end() = 0;
};

// Over HTTP; the arguments are those of http::ClientOptions.
[[nodiscard]] std::unique_ptr<KeyFetch> make_http_key_fetch(io::Ring& ring, net::Resolver& resolver,
                                                            bool private_addresses,
                                                            std::string tls_ca_pem);

}  // namespace sluice::auth
