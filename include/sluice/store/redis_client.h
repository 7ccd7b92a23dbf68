// A client of Redis: one server, a master that Sentinels watch, or a cluster.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/deadline.h>
#include <sluice/base/log.h>
#include <sluice/base/result.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/net/resolver.h>
#include <sluice/store/redis_reply.h>

namespace sluice::store {

struct RedisEndpoint {
  std::string host;  // A name, a numeric address without brackets, or the path of a Unix socket.
  uint16_t port = 6379;
  bool operator==(const RedisEndpoint&) const = default;
};

struct RedisOptions {
  enum class Kind : uint8_t { kStandalone, kSentinel, kCluster };

  Kind kind = Kind::kStandalone;
  // Of the server, of Sentinels, or of some nodes of the cluster; at least one. Of several servers
  // the first that can be reached and is a master is used.
  std::vector<RedisEndpoint> endpoints;
  std::string master;         // The name that Sentinels know it by.
  uint32_t database = 0;      // Not with kCluster, which has one only.
  std::string username;       // "" is `default`.
  std::string password;       // A secret; "" is none.
  std::string sentinel_user;  // Of the Sentinels themselves.
  std::string sentinel_password;
  bool tls = false;             // On all connections but those to Unix sockets.
  std::string tls_ca_pem;       // "" stands for the system's certificate authorities.
  std::string tls_server_name;  // Checked in certificates; "" is the host that is dialled.
  uint64_t seed = 1;            // Of the jitter: should differ between processes.
};

struct RedisCommand {
  std::vector<std::string> arguments;  // The command's name first; of a script, see run_script().
  // Decides the node of a cluster, by hash tag if it has one. "": any node.
  std::string key;
  // Lua, when this runs a script; must live until the call ends.
  std::string_view script;
};

// Runs `script` with keys, which share a slot, and arguments. By digest: its text travels only
// when the server does not know it, in one extra round trip.
[[nodiscard]] RedisCommand run_script(std::string_view script, const std::vector<std::string>& keys,
                                      const std::vector<std::string>& arguments);

struct RedisFigures {
  uint64_t commands = 0;   // Sent.
  uint64_t late = 0;       // Of them, those that nobody waited for any more.
  uint64_t lost = 0;       // Of them, those whose connection was lost first.
  uint64_t connected = 0;  // Connections that were made and accepted.
};

// A reply that is longer than 4 MiB, or is none, ends the connection.
//
// Connections are made by themselves, kept, and made again after a loss, with exponential backoff
// and full jitter; nothing here blocks. One log line says when a server comes, goes or refuses us.
// Lives on one thread, beside its ring.
class RedisClient {
 public:
  static constexpr size_t kCommandsMost = 8192;         // Waiting and in flight, per server.
  static constexpr size_t kCommandBytesMost = 8 << 20;  // The same in bytes.
  static constexpr uint32_t kNodesMost = 128;           // Of a cluster, with slots.
  static constexpr uint32_t kRoundsMost = 5;  // Sends of one command: redirections, scripts.
  static constexpr Duration kConnectTime = seconds(2);  // From the dial to the first answers.
  // A server that sends nothing for so long after a deadline has passed is given up.
  static constexpr Duration kSilenceMost = seconds(1);
  static constexpr Duration kBackoffMin = milliseconds(50);
  static constexpr Duration kBackoffMax = seconds(2);

  // All outlive the client. Nothing happens before start().
  RedisClient(io::Ring& ring, net::Resolver& resolver, Logger& log, RedisOptions options);
  // end() comes first once started.
  ~RedisClient();
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  void start();

  // Sends all commands at once, those of one node in one write and in order, and waits for the
  // replies, by position; what a cluster redirects is sent anew behind the others. While the first
  // connection or one after a loss is being made, commands wait for it; between two tries they fail
  // at once. Any number of calls at a time. Suspends, until `deadline` at the most.
  //
  // What the server refuses is a reply of kind kError. Errors, all of kSelf and with Retry::kYes
  // when the command was certainly not run: kIo (not connected, lost), kUpstreamTimeout (the
  // deadline; a reply that comes later is dropped), kOverloaded (a bound above), kCancelled
  // (end()).
  Task<std::vector<Result<RedisReply>>> call(std::vector<RedisCommand> commands, Deadline deadline);

  // Whether all keys can be reached: connected to a master, or to the owners of all slots.
  [[nodiscard]] bool is_up() const noexcept;
  // The same for the owner of one key.
  [[nodiscard]] bool is_up_for(std::string_view key) const noexcept;
  // Changes whenever what answers may have forgotten something: another process than before, a
  // replica promoted, a master that followed another one meanwhile. 0 before the first connection.
  // When it is the same before and after a call, all replies of the call belong to it.
  [[nodiscard]] uint64_t epoch() const noexcept;
  [[nodiscard]] RedisFigures figures() const noexcept;

  // Closes all connections; calls under way end. Nothing may be called afterwards. Suspends.
  Task<void> end();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::store
