// Whom the gateway calls besides upstreams: webhooks, issuers of tokens, databases.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/config/snapshot.h>

#include "fields.h"
#include "walk.h"

namespace sluice::config {

// The URL as it is written, if it may be called (D56): https, or http where `private_addresses`
// allows what is near. Nothing after a report.
[[nodiscard]] std::optional<std::string> read_call_url(Walk& walk, const Node& node,
                                                       bool private_addresses);

using HeaderTexts = std::vector<std::pair<std::string, std::string>>;
// Names in lower case with their values, which may be secrets.
void read_call_headers(Walk& walk, const Node& node, HeaderTexts& headers);

void read_sql(Walk& walk, const Node& node, std::optional<SqlSettings>& sql);
void list_sql_keys(const std::string& prefix, std::vector<std::string>& names);

// A table's or a column's name: letters, digits and '_', a table's with one '.' if need be.
[[nodiscard]] std::optional<std::string> read_sql_name(Walk& walk, const Node& node,
                                                       bool has_schema);

// The one key of a section `tls` of a call.
void read_call_ca(Walk& walk, const Node& node, std::string& tls_ca);
void list_call_tls_keys(const std::string& prefix, std::vector<std::string>& names);

// Readers of members that have those names in all settings of calls.
inline constexpr auto read_headers_of = [](Walk& walk, const Node& node, auto& out) {
  read_call_headers(walk, node, out.headers);
};
inline constexpr auto read_tls_of = [](Walk& walk, const Node& node, auto& out) {
  read_call_ca(walk, node, out.tls_ca);
};
inline constexpr auto read_sql_of = [](Walk& walk, const Node& node, auto& out) {
  read_sql(walk, node, out.sql);
};

// Reports a key that has no effect beside the given `type`.
void refuse_with_type(Walk& walk, const Node& node, std::string_view name, std::string_view type);
// Reports a key that is missing and that the given `type` needs.
void require_with_type(Walk& walk, const Node& node, std::string_view name, std::string_view type);

}  // namespace sluice::config
