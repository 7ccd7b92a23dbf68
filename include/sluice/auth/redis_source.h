// Keys in Redis: a hash of fields, or a JSON text, at a key made by a pattern.
#pragma once

#include <memory>

#include <sluice/auth/key_source.h>
#include <sluice/config/auth.h>
#include <sluice/store/redis_client.h>

namespace sluice::auth {

// One round trip a question. An answer holds no longer than the entry lives there.
class RedisSource final : public KeySource {
 public:
  // `settings` are of kind kRedis. The others outlive it.
  RedisSource(io::Ring& ring, net::Resolver& resolver, Logger& log,
              const config::SourceSettings& settings, store::RedisOptions options);

  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  void start() override { client_.start(); }
  Task<KeyAnswer> ask(const KeyQuestion& question, Deadline deadline) override;
  Task<void> end() override { return client_.end(); }

 private:
  const std::string name_;
  const std::string pattern_;
  store::RedisClient client_;
};

}  // namespace sluice::auth
