#include "schema_redis.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "address.h"
#include "bounds.h"
#include "fields.h"
#include "redis_url.h"
#include "url.h"

namespace sluice::config {
namespace {

constexpr size_t kAddressesMax = 64;
constexpr uint16_t kRedisPort = 6379;
constexpr uint16_t kSentinelPort = 26379;

struct RedisDraft : RedisSettings {
  bool is_unix = false;
  bool has_url_database = false;
};

void read_url(Walk& walk, const Node& node, RedisDraft& redis) {
  // A password is refused there; only what is filled in, or its default, can be one.
  const bool is_open = node.text.find("${") == std::string::npos;
  const auto text = walk.text_or_reference(node, is_open);
  if (!text) return;
  auto url = parse_redis_url(*text);
  if (!url) return walk.error(node, url.error());
  if (!url->password.empty() && spells_password(node.text)) {
    return walk.error(node, "has its password in the file",
                      "write it as ${NAME}, or below `password` as env://NAME or file:///path");
  }
  redis.is_unix = url->address.host.starts_with('/');
  redis.has_url_database = url->database.has_value();
  redis.database = url->database.value_or(0);
  redis.addresses = {std::move(url->address)};
  redis.username = std::move(url->username);
  redis.password = std::move(url->password);
  redis.tls = url->tls;
}

template <RedisKind Kind, uint16_t Port>
void read_addresses(Walk& walk, const Node& node, RedisDraft& redis) {
  redis.kind = Kind;
  read_list(walk, node, kAddressesMax, [&](const Node& item, size_t) {
    const auto text = walk.text(item);
    if (!text) return;
    auto address = parse_redis_address(*text, Port);
    if (!address) {
      return walk.error(item, "must be host:port", "write it as redis-1.internal:6379");
    }
    if (std::ranges::find(redis.addresses, *address) != redis.addresses.end()) {
      return walk.error(item, "repeats an address", "name each one once");
    }
    redis.addresses.push_back(std::move(*address));
  });
}

// Of what may also stand in the URL.
void read_username(Walk& walk, const Node& node, RedisDraft& redis) {
  auto text = walk.text_or_reference(node);
  if (!text) return;
  if (!redis.username.empty()) {
    return walk.error(node, "stands in `url` too", "keep one of the two");
  }
  redis.username = std::move(*text);
}

void read_password(Walk& walk, const Node& node, RedisDraft& redis) {
  auto text = walk.secret(node);
  if (!text) return;
  if (!redis.password.empty()) {
    return walk.error(node, "stands in `url` too", "keep one of the two");
  }
  redis.password = std::move(*text);
}

void read_sentinel_password(Walk& walk, const Node& node, RedisDraft& redis) {
  if (auto text = walk.secret(node)) redis.sentinel_password = std::move(*text);
}

void read_database(Walk& walk, const Node& node, RedisDraft& redis) {
  if (redis.has_url_database) {
    return walk.error(node, "stands in `url` too", "keep one of the two");
  }
  const auto number = walk.number(node, 0, kRedisDatabaseMax);
  if (number) redis.database = static_cast<uint32_t>(*number);
}

void read_server_name(Walk& walk, const Node& node, RedisDraft& redis) {
  const auto text = walk.text(node);
  if (!text) return;
  auto name = parse_server_name(*text);
  if (!name) {
    return walk.error(node, "must be a host name or numeric address", "write it as redis.internal");
  }
  redis.tls_server_name = std::move(*name);
}

constexpr std::array kTlsFields = {
    Field<RedisDraft>{"ca", read_path<&RedisSettings::tls_ca, kPathBytesMax>},
    Field<RedisDraft>{"server_name", read_server_name}};

void read_tls(Walk& walk, const Node& node, RedisDraft& redis) {
  if (redis.is_unix) {
    return walk.error(node, "has no effect on a UNIX socket", "remove it");
  }
  if (node.kind == NodeKind::kMapping) {
    redis.tls = true;
    return read_mapping(walk, node, kTlsFields, redis);
  }
  const auto is_on = walk.boolean(node);
  if (!is_on) return;
  if (redis.tls && !*is_on) {
    return walk.error(node, "is off, but `url` is rediss", "remove it, or write redis://");
  }
  redis.tls = *is_on;
}

// The addresses come before what depends on their kind.
constexpr std::array kConnectionFields = {
    Field<RedisDraft>{"url", read_url},
    Field<RedisDraft>{"sentinels", read_addresses<RedisKind::kSentinel, kSentinelPort>},
    Field<RedisDraft>{"master", read_label<&RedisSettings::master>},
    Field<RedisDraft>{"cluster", read_addresses<RedisKind::kCluster, kRedisPort>},
    Field<RedisDraft>{"username", read_username},
    Field<RedisDraft>{"password", read_password},
    Field<RedisDraft>{"sentinel_password", read_sentinel_password},
    Field<RedisDraft>{"database", read_database},
    Field<RedisDraft>{"tls", read_tls, Presence::kOptional, list_section<kTlsFields>}};

// What there is besides the connection where limits are kept.
constexpr std::array kLedgerFields = {
    Field<RedisDraft>{"namespace", read_label<&RedisSettings::space>},
    Field<RedisDraft>{"wait_max", read_duration<&RedisSettings::wait_max, 1, kSecond>},
    Field<RedisDraft>{"tick", read_duration<&RedisSettings::tick, 5, kSecond>},
    Field<RedisDraft>{"gateways", read_number<&RedisSettings::gateways, 1, 64>,
                      Presence::kRequired}};

constexpr auto kRedisFields = [] {
  std::array<Field<RedisDraft>, kConnectionFields.size() + kLedgerFields.size()> all{};
  std::ranges::copy(kConnectionFields, all.begin());
  std::ranges::copy(kLedgerFields, all.begin() + kConnectionFields.size());
  return all;
}();

void refuse_without(Walk& walk, const Node& node, std::string_view name, std::string_view needed,
                    bool is_there) {
  const Node* value = find_key(node, name);
  if (value == nullptr || is_there) return;
  const Walk::Step step(walk, name);
  walk.error(*value, fmt::format("has no effect without `{}`", needed), "remove it");
}

void check_kind(Walk& walk, const Node& node, const RedisDraft& redis) {
  static constexpr std::array<std::string_view, 3> kPlaces = {"url", "sentinels", "cluster"};
  const auto places = std::ranges::count_if(
      kPlaces, [&](std::string_view name) { return find_key(node, name) != nullptr; });
  if (places != 1) {
    walk.error(node, "must have one of `url`, `sentinels` and `cluster`",
               places == 0 ? "add the one that leads to the server" : "keep one of them");
  }
  const bool has_sentinels = find_key(node, "sentinels") != nullptr;
  refuse_without(walk, node, "master", "sentinels", has_sentinels);
  refuse_without(walk, node, "sentinel_password", "sentinels", has_sentinels);
  if (has_sentinels && find_key(node, "master") == nullptr) {
    const Walk::Step step(walk, "master");
    walk.error(node, "is missing", "add the name by which the Sentinels know the master");
  }
  const Node* database = find_key(node, "database");
  if (database != nullptr && redis.kind == RedisKind::kCluster && redis.database != 0) {
    const Walk::Step step(walk, "database");
    walk.error(*database, "must be 0: a cluster has one only", "remove it");
  }
}

bool stays_here(const RedisAddress& address) {
  const auto ip = parse_ip(address.host);
  return address.host.starts_with('/') || address.host == "localhost" || (ip && ip->is_loopback());
}

template <size_t N>
void read_connection(Walk& walk, const Node& node, const std::array<Field<RedisDraft>, N>& fields,
                     std::optional<RedisSettings>& out) {
  RedisDraft redis;
  read_mapping(walk, node, fields, redis);
  if (node.kind != NodeKind::kMapping) return;
  check_kind(walk, node, redis);
  const bool has_secret = !redis.password.empty() || !redis.sentinel_password.empty();
  if (has_secret && !redis.tls && !std::ranges::all_of(redis.addresses, stays_here)) {
    walk.warn(node, "sends its password in the clear", "write rediss://, or `tls: true`");
  }
  out = std::move(static_cast<RedisSettings&>(redis));
}

}  // namespace

void read_redis(Walk& walk, const Node& node, Snapshot& snapshot) {
  walk.has_redis = true;
  read_connection(walk, node, kRedisFields, snapshot.redis);
}

void read_redis_connection(Walk& walk, const Node& node, std::optional<RedisSettings>& redis) {
  read_connection(walk, node, kConnectionFields, redis);
}

void list_redis_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kRedisFields, prefix, names);
}

}  // namespace sluice::config
