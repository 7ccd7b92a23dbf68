// Where the master is: as Sentinels say, or the first of the servers that were named.
#pragma once

#include "redis_link.h"

namespace sluice::store {

// Asks one Sentinel after the other, the last one that knew first.
class SentinelFinder final : public RedisLink::Finder {
 public:
  explicit SentinelFinder(WireParts& parts) : parts_(parts) {}
  Task<WireResult<RedisEndpoint>> find(io::Event& gone) override;

 private:
  WireParts& parts_;
  size_t first_ = 0;
};

// Names the next server at each try.
class ServerFinder final : public RedisLink::Finder {
 public:
  explicit ServerFinder(WireParts& parts) : parts_(parts) {}
  Task<WireResult<RedisEndpoint>> find(io::Event& gone) override;

 private:
  WireParts& parts_;
  size_t next_ = 0;
};

}  // namespace sluice::store
