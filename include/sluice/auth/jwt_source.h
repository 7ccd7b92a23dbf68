// JSON Web Tokens of an OpenID Connect issuer as keys.
#pragma once

#include <memory>
#include <string>

#include <sluice/auth/key_source.h>
#include <sluice/base/log.h>
#include <sluice/config/auth.h>
#include <sluice/io/event.h>
#include <sluice/io/ring.h>
#include <sluice/net/resolver.h>

namespace sluice::auth {

class IssuerKeys;
class KeyFetch;
struct Jwt;

// What is not a token of this issuer, well signed, for us and in its time, is kNotFound, so that
// other kinds of keys live beside it (D6); why it is so stands in `reason`, and in the log of level
// debug. Only a token of our issuer that cannot be judged, for want of its keys or because a claim
// makes no sense, is kFailed. Its record ends with the token, and its id is "<source>:<sub>", so
// that limits count by subject and not by token.
//
// Control thread, beside its ring. end() comes first.
class JwtSource final : public KeySource {
 public:
  // `settings` are of kind kJwt, `tls_ca_pem` what is in its `tls_ca`, "" for the system's
  // authorities. The ring, the resolver and the log outlive it.
  JwtSource(io::Ring& ring, net::Resolver& resolver, Logger& log, config::SourceSettings settings,
            std::string tls_ca_pem);
  // By a fetch of the caller's.
  JwtSource(io::Ring& ring, Logger& log, config::SourceSettings settings,
            std::unique_ptr<KeyFetch> fetch);
  ~JwtSource() override;

  [[nodiscard]] std::string_view name() const noexcept override { return settings_.name; }
  void start() override;
  Task<KeyAnswer> ask(const KeyQuestion& question, Deadline deadline) override;
  Task<void> end() override;

 private:
  Task<KeyAnswer> judge(const Jwt& jwt, const crypto::Digest& digest, Deadline deadline);
  [[nodiscard]] KeyAnswer not_found(std::string_view reason);
  [[nodiscard]] KeyAnswer read(const Jwt& jwt, const crypto::Digest& digest, WallTime end);

  io::Ring& ring_;
  Logger& log_;
  const config::SourceSettings settings_;
  std::unique_ptr<KeyFetch> fetch_;
  std::unique_ptr<IssuerKeys> keys_;
  uint32_t asking_ = 0;
  bool is_ending_ = false;
  io::Event emptied_;
};

}  // namespace sluice::auth
