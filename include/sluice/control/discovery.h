// Finds out the servers of those upstreams that stand for several, and when they have changed.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/deadline.h>
#include <sluice/base/log.h>
#include <sluice/config/members.h>
#include <sluice/config/snapshot.h>
#include <sluice/crypto/random.h>
#include <sluice/http/client.h>
#include <sluice/io/event.h>
#include <sluice/io/offload.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/metrics/registry.h>
#include <sluice/net/resolver.h>

namespace sluice::control {

// Asks each source every `interval`, a tenth earlier or later by chance, one question at a time. A
// source that fails or talks nonsense leaves its group the members that were found last; that is
// warned of once. What has changed is for control to load: the configuration is read again with
// members(), so that servers come and go as with any reload, and no stream is cut.
//
// Control thread only. Await end() before it dies, once follow() was called.
class Discovery {
 public:
  // Sources that flap cause no more reloads than one in this time.
  static constexpr Duration kLoadPause = seconds(1);
  static constexpr Duration kLookTime = seconds(5);  // For one answer.

  // All outlive it. `lane` reads files.
  Discovery(io::Ring& ring, io::Lane& lane, io::OffloadReturns& returns, net::Resolver& resolver,
            metrics::Registry& registry, Logger& log);
  ~Discovery();
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;

  // Turns to another configuration. A group keeps its members while it asks the same source.
  void follow(const config::Snapshot& snapshot);
  // Begins the look-ups that are due. Cheap when none is.
  void tick();

  // Whether members have changed since the last begin_load(), and the pause is over.
  [[nodiscard]] bool is_load_due() const noexcept;
  // What is known now; the caller loads it, and whatever comes of that, not again.
  [[nodiscard]] config::Members begin_load();
  // The same for a configuration that is only looked at.
  [[nodiscard]] config::Members members() const;

  // Whether end() has nothing to wait for.
  [[nodiscard]] bool is_quiet() const noexcept;
  // Ends what runs and begins no more. Suspends.
  Task<void> end();

 private:
  using Found = std::expected<std::vector<config::Member>, std::string>;

  struct Source {
    config::Discovery settings;
    std::vector<config::Member> members;
    Deadline next{MonoTime::min()};
    bool is_running = false;
    bool has_failed = false;               // The last time; it was warned of.
    std::unique_ptr<http::Client> client;  // Of kHttp, once it was asked.
  };

  Task<void> look(std::string group);
  Task<Found> ask(Source& source);
  Task<Found> ask_file(std::string path);
  Task<Found> ask_dns(std::string host, uint16_t port);
  Task<Found> ask_srv(std::string name);
  Task<Found> ask_http(Source& source);
  // Ends it, if it is one.
  void leave(std::unique_ptr<http::Client> client);
  Task<void> end_client(std::unique_ptr<http::Client> client);
  void note(Source& source, Found found);

  io::Ring& ring_;
  io::Lane& lane_;
  io::OffloadReturns& returns_;
  net::Resolver& resolver_;
  metrics::Registry& registry_;
  Logger& log_;
  crypto::RandomSource random_;
  std::map<std::string, Source, std::less<>> sources_;  // By group.
  io::Event stopped_;
  uint32_t running_ = 0;
  bool has_changed_ = false;
  MonoTime loaded_at_ = MonoTime::min();
};

}  // namespace sluice::control
