#include "schema_calls.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "address.h"
#include "bounds.h"
#include "dial_rules.h"
#include "header_rules.h"
#include "url.h"

namespace sluice::config {
namespace {

constexpr size_t kHeadersMax = 32;
constexpr size_t kHeaderValueBytesMax = 4096;
constexpr size_t kSqlNameBytesMax = 63;
constexpr size_t kSqlWordBytesMax = 256;
constexpr uint16_t kMysqlPort = 3306;

void read_driver(Walk& walk, const Node& node, SqlSettings& sql) {
  static constexpr std::array<std::string_view, 2> kWords = {"postgres", "mysql"};
  const auto index = walk.choice(node, kWords);
  if (!index) return;
  sql.driver = static_cast<SqlDriver>(*index);
  if (sql.driver == SqlDriver::kMysql) sql.port = kMysqlPort;
}

void read_host(Walk& walk, const Node& node, SqlSettings& sql) {
  auto text = walk.path(node, kPathBytesMax);
  if (!text) return;
  if (text->starts_with('/')) {
    sql.host = std::move(*text);
    sql.tls = false;
    return;
  }
  auto name = parse_server_name(*text);
  if (!name) {
    return walk.error(node, "must be a host name, a numeric address or the path of a UNIX socket",
                      "write it as db.internal or /run/postgresql");
  }
  sql.host = std::move(*name);
}

// What goes to the library as one value.
std::optional<std::string> read_sql_word(Walk& walk, const Node& node) {
  auto text = walk.text_or_reference(node);
  if (!text || text->size() <= kSqlWordBytesMax) return text;
  walk.error(node, "is longer than 256 bytes", "check that it is the right value");
  return std::nullopt;
}

void read_sql_user(Walk& walk, const Node& node, SqlSettings& sql) {
  if (auto text = read_sql_word(walk, node)) sql.user = std::move(*text);
}

void read_sql_password(Walk& walk, const Node& node, SqlSettings& sql) {
  if (auto text = walk.secret(node)) sql.password = std::move(*text);
}

void read_database_name(Walk& walk, const Node& node, SqlSettings& sql) {
  if (auto name = walk.label(node)) sql.database = std::move(*name);
}

constexpr std::array kSqlTlsFields = {
    Field<SqlSettings>{"ca", read_path<&SqlSettings::tls_ca, kPathBytesMax>}};

void read_sql_tls(Walk& walk, const Node& node, SqlSettings& sql) {
  if (sql.host.starts_with('/')) {
    return walk.error(node, "has no effect on a UNIX socket", "remove it");
  }
  if (node.kind == NodeKind::kMapping) return read_mapping(walk, node, kSqlTlsFields, sql);
  if (const auto is_on = walk.boolean(node)) sql.tls = *is_on;
}

constexpr std::array kSqlFields = {
    Field<SqlSettings>{"driver", read_driver, Presence::kRequired},
    Field<SqlSettings>{"host", read_host, Presence::kRequired},
    Field<SqlSettings>{"port", read_number<&SqlSettings::port, 1, 65'535>},
    Field<SqlSettings>{"user", read_sql_user, Presence::kRequired},
    Field<SqlSettings>{"password", read_sql_password},
    Field<SqlSettings>{"database", read_database_name, Presence::kRequired},
    Field<SqlSettings>{"tls", read_sql_tls, Presence::kOptional, list_section<kSqlTlsFields>},
    Field<SqlSettings>{"timeout", read_duration<&SqlSettings::timeout, 100, 60 * kSecond>}};

bool stays_here(std::string_view host) {
  const auto ip = parse_ip(host);
  return host.starts_with('/') || host == "localhost" || (ip && ip->is_loopback());
}

struct CallTls {
  std::string ca;
};
constexpr std::array kCallTlsFields = {
    Field<CallTls>{"ca", read_path<&CallTls::ca, kPathBytesMax>, Presence::kRequired}};

void read_call_header(Walk& walk, const Node& name_at, const Node& value_at, HeaderTexts& headers) {
  std::string name = header_name(name_at.text);
  if (name.empty()) {
    return walk.error(name_at, "has a key that is not a header's name", "write it as it is sent");
  }
  if (const auto fault = refuse_upstream_header(name)) return walk.error(name_at, *fault);
  if (std::ranges::find(headers, name, &HeaderTexts::value_type::first) != headers.end()) {
    return walk.error(name_at, fmt::format("sets `{}` twice", name), "set each header once");
  }
  const Walk::Step step(walk, name_at.text);
  auto value = walk.text_or_reference(value_at);
  if (!value) return;
  if (!is_header_value(*value) || value->size() > kHeaderValueBytesMax) {
    return walk.error(value_at, "must be at most 4096 printable ASCII characters",
                      "remove control characters and outer spaces");
  }
  headers.emplace_back(std::move(name), std::move(*value));
}

bool is_sql_word(std::string_view word) noexcept {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (word.empty() || word.size() > kSqlNameBytesMax || !is_letter(word[0])) return false;
  return std::ranges::all_of(word, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

}  // namespace

std::optional<std::string> read_call_url(Walk& walk, const Node& node, bool private_addresses) {
  // Services put a token into the query, or the path that a variable holds.
  const bool is_open = node.text.find_first_of("?$") == std::string::npos;
  auto text = walk.text_or_reference(node, is_open);
  if (!text) return std::nullopt;
  const auto endpoint = parse_url(*text);
  if (!endpoint) {
    walk.error(node, endpoint.error());
    return std::nullopt;
  }
  if (const auto fault = refuse_host(endpoint->host, private_addresses)) {
    walk.error(node, *fault);
    return std::nullopt;
  }
  if (!is_https(*text) && !private_addresses) {
    walk.error(node, "must be https: what is sent there, and what comes back, is trusted",
               "write https://, or `private_addresses: true` beside it for a server that is near");
    return std::nullopt;
  }
  return text;
}

void read_call_headers(Walk& walk, const Node& node, HeaderTexts& headers) {
  if (!walk.is_mapping(node)) return;
  if (node.children.size() > 2 * kHeadersMax) {
    return walk.error(node, "has more than 32 headers", "remove some");
  }
  for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
    read_call_header(walk, node.children[i], node.children[i + 1], headers);
  }
}

void read_sql(Walk& walk, const Node& node, std::optional<SqlSettings>& sql) {
  SqlSettings& settings = sql.emplace();
  read_mapping(walk, node, kSqlFields, settings);
  if (!settings.tls && !settings.password.empty() && !stays_here(settings.host)) {
    walk.warn(node, "sends its password without TLS", "remove `tls: off`");
  }
}

void list_sql_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kSqlFields, prefix, names);
}

std::optional<std::string> read_sql_name(Walk& walk, const Node& node, bool has_schema) {
  auto text = walk.text(node);
  if (!text) return std::nullopt;
  std::string_view rest = *text;
  const size_t dot = rest.find('.');
  bool is_name = true;
  if (has_schema && dot != std::string_view::npos) {
    is_name = is_sql_word(rest.substr(0, dot));
    rest.remove_prefix(dot + 1);
  }
  if (is_name && is_sql_word(rest)) return text;
  walk.error(node, "must be letters, digits and '_', at most 63, not a digit first",
             has_schema ? "write it as api_keys or gateway.api_keys" : "write it as api_key_hash");
  return std::nullopt;
}

void read_call_ca(Walk& walk, const Node& node, std::string& tls_ca) {
  CallTls tls;
  read_mapping(walk, node, kCallTlsFields, tls);
  tls_ca = std::move(tls.ca);
}

void list_call_tls_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kCallTlsFields, prefix, names);
}

void refuse_with_type(Walk& walk, const Node& node, std::string_view name, std::string_view type) {
  const Node* value = find_key(node, name);
  if (value == nullptr) return;
  const Walk::Step step(walk, name);
  walk.error(*value, fmt::format("has no effect with `type: {}`", type), "remove it");
}

void require_with_type(Walk& walk, const Node& node, std::string_view name, std::string_view type) {
  if (find_key(node, name) != nullptr) return;
  const Walk::Step step(walk, name);
  walk.error(node, fmt::format("is missing: `type: {}` needs it", type),
             fmt::format("add a line `{}:` with its value", name));
}

}  // namespace sluice::config
