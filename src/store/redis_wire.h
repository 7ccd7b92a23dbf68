// One connection to a Redis or Sentinel server: made, greeted, asked.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <sluice/base/deadline.h>
#include <sluice/base/log.h>
#include <sluice/io/event.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/net/resolver.h>
#include <sluice/net/stream.h>
#include <sluice/net/tls.h>
#include <sluice/store/redis_client.h>

#include "reply_reader.h"

namespace sluice::store {

// Why a server is not used: a clause that follows its name.
struct WireFault {
  std::string text;
  bool is_of_configuration = false;
};

template <class T>
using WireResult = std::expected<T, WireFault>;

[[nodiscard]] std::string to_text(const RedisEndpoint& endpoint);

// The TLS settings of every name that was dialled.
class TlsNames {
 public:
  explicit TlsNames(const RedisOptions& options) noexcept : options_(options) {}
  // Null with an endpoint that is not secured.
  [[nodiscard]] WireResult<net::TlsClient*> find(const RedisEndpoint& endpoint);

 private:
  static constexpr size_t kNamesMost = 256;
  const RedisOptions& options_;
  net::SystemAuthorities system_;
  std::map<std::string, std::unique_ptr<net::TlsClient>> clients_;
};

// What everything that connects needs. Outlives it.
struct WireParts {
  io::Ring& ring;
  net::Resolver& resolver;
  Logger& log;
  RedisOptions options;
  TlsNames tls{options};
  uint64_t random = options.seed;  // State of next_random().

  // Splitmix64 (Steele, Lea and Flood, 2014): for jitter.
  [[nodiscard]] uint64_t next_random() noexcept;
};

struct RedisWire {
  RedisWire(io::Ring& ring, int fd) : stream(ring, fd, Side::kUpstream) {}
  net::Stream stream;
  ReplyReader reader;
};

// Dials `endpoint`, with TLS when that is configured. Suspends.
Task<WireResult<std::unique_ptr<RedisWire>>> open_wire(WireParts& parts, RedisEndpoint endpoint,
                                                       Deadline deadline, io::Event& gone);

// Sends `text` and reads `count` replies. After an error the wire is of no use. Suspends.
Task<WireResult<std::vector<RedisReply>>> ask(RedisWire& wire, std::string text, size_t count,
                                              Deadline deadline, io::Event& gone);

// Who a server is. Equal identities have kept their memory.
struct ServerIdentity {
  std::string run_id;          // Of the process.
  std::string replication_id;  // Of its history: another one after each promotion.
  [[nodiscard]] bool is_known() const noexcept { return !run_id.empty(); }
  bool operator==(const ServerIdentity&) const = default;
};

// Identifies us to a fresh connection and it to us; an error unless it is a master that is ready.
// Suspends.
Task<WireResult<ServerIdentity>> greet(WireParts& parts, RedisWire& wire, Deadline deadline,
                                       io::Event& gone);

// Connects, identifies us with the credentials of Sentinels or of servers, asks `command` and
// closes. An error reply is an error. Within a second. Suspends.
Task<WireResult<RedisReply>> ask_once(WireParts& parts, RedisEndpoint endpoint, bool is_sentinel,
                                      std::string command, io::Event& gone);

}  // namespace sluice::store
