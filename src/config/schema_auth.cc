#include "schema_auth.h"

#include <algorithm>
#include <array>
#include <utility>

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include "dial_rules.h"
#include "fields.h"
#include "header_rules.h"
#include "url.h"

namespace sluice::config {
namespace {

constexpr size_t kHeadersMax = 32;
constexpr size_t kHeaderValueBytesMax = 4096;
constexpr size_t kCredentialBytesMax = 4096;
constexpr uint16_t kProxyPort = 3128;
constexpr uint16_t kHttpPort = 80;

// A secret in one header: visible ASCII, with inner spaces only where `has_spaces` allows them.
std::optional<std::string> read_bare_secret(Walk& walk, const Node& node, bool has_spaces,
                                            std::string_view remedy) {
  auto value = walk.secret(node);
  if (!value) return std::nullopt;
  if (!is_header_value(*value) || (!has_spaces && value->find(' ') != std::string::npos)) {
    walk.error(node,
               has_spaces ? "must be printable ASCII" : "must be visible ASCII without spaces",
               std::string(remedy));
    return std::nullopt;
  }
  if (value->size() > kCredentialBytesMax) {
    walk.error(node, "is longer than 4096 bytes", "check that it is the credential");
    return std::nullopt;
  }
  return value;
}

std::string basic(std::string_view user, std::string_view password) {
  const std::string pair = fmt::format("{}:{}", user, password);
  return "Basic " + absl::Base64Escape(pair);
}

void read_user(Walk& walk, const Node& node, std::string& user) {
  auto text = walk.text_or_reference(node);
  if (!text) return;
  if (!is_header_value(*text) || text->find(':') != std::string::npos) {
    return walk.error(node, "must be printable ASCII without ':'", "check that it is the user");
  }
  user = std::move(*text);
}

enum class AuthKind : uint8_t { kBearer, kBasic, kHeader };

struct AuthDraft {
  std::optional<AuthKind> kind;
  std::string user;
  std::string name;
  std::string secret;
};

void read_auth_kind(Walk& walk, const Node& node, AuthDraft& auth) {
  static constexpr std::array<std::string_view, 3> kWords = {"bearer", "basic", "header"};
  const auto index = walk.choice(node, kWords);
  if (index) auth.kind = static_cast<AuthKind>(*index);
}

void read_auth_user(Walk& walk, const Node& node, AuthDraft& auth) {
  read_user(walk, node, auth.user);
}

void read_auth_name(Walk& walk, const Node& node, AuthDraft& auth) {
  const auto text = walk.text(node);
  if (!text) return;
  std::string name = header_name(*text);
  if (name.empty()) return walk.error(node, "is not a header's name", "write one as it is sent");
  if (const auto fault = refuse_upstream_header(name)) return walk.error(node, *fault);
  auth.name = std::move(name);
}

void read_auth_secret(Walk& walk, const Node& node, AuthDraft& auth) {
  const bool is_bearer = auth.kind == AuthKind::kBearer;
  auto secret = read_bare_secret(walk, node, !is_bearer,
                                 is_bearer ? "write the bare credential; Sluice puts `Bearer` "
                                             "before it"
                                           : "remove control characters and outer spaces");
  if (secret) auth.secret = std::move(*secret);
}

constexpr std::array kAuthFields = {
    Field<AuthDraft>{"type", read_auth_kind, Presence::kRequired},
    Field<AuthDraft>{"user", read_auth_user}, Field<AuthDraft>{"name", read_auth_name},
    Field<AuthDraft>{"secret", read_auth_secret, Presence::kRequired}};

// `name` is there exactly when `type` needs it.
void check_presence(Walk& walk, const Node& node, std::string_view name, bool is_needed,
                    std::string_view type) {
  const Node* value = find_key(node, name);
  const Walk::Step step(walk, name);
  if (is_needed && value == nullptr) {
    walk.error(node, fmt::format("is missing: `type: {}` needs it", type),
               fmt::format("add a line `{}:` with its value", name));
  } else if (!is_needed && value != nullptr) {
    walk.error(*value, fmt::format("has no effect with `type: {}`", type), "remove it");
  }
}

void read_header_value(Walk& walk, const Node& node, Header& header) {
  auto value = walk.text_or_reference(node);
  if (!value) return;
  if (!is_header_value(*value) || value->size() > kHeaderValueBytesMax) {
    return walk.error(node, "must be at most 4096 printable ASCII characters",
                      "remove control characters and outer spaces");
  }
  header.value = std::move(*value);
}

template <HeaderOp Op>
void read_value_with(Walk& walk, const Node& node, Header& header) {
  header.op = Op;
  read_header_value(walk, node, header);
}

void read_removal(Walk& walk, const Node& node, Header& header) {
  header.op = HeaderOp::kRemove;
  const auto is_removed = walk.boolean(node);
  if (is_removed && !*is_removed) {
    walk.error(node, "may only be true", "remove the header's line instead");
  }
}

constexpr std::array kOperationFields = {
    Field<Header>{"replace", read_value_with<HeaderOp::kReplace>},
    Field<Header>{"insert", read_value_with<HeaderOp::kInsert>},
    Field<Header>{"remove", read_removal}};

// Text, or a mapping with the one operation that is meant.
void read_operation(Walk& walk, const Node& node, Header& header) {
  if (node.kind != NodeKind::kMapping) return read_header_value(walk, node, header);
  read_mapping(walk, node, kOperationFields, header);
  if (node.children.size() == 2) return;
  walk.error(node, "must have one of `replace`, `insert` and `remove`",
             "write {insert: value}, {remove: true}, or the value alone to replace it");
}

void read_header(Walk& walk, const Node& name_at, const Node& value_at, Upstream& upstream) {
  Header header{.name = header_name(name_at.text)};
  if (header.name.empty()) {
    return walk.error(name_at, "has a key that is not a header's name", "write it as it is sent");
  }
  if (const auto fault = refuse_upstream_header(header.name)) return walk.error(name_at, *fault);
  if (header.name == upstream.credential.name) {
    return walk.error(name_at, fmt::format("sets `{}` beside a credential", header.name),
                      "keep one of the two");
  }
  const bool is_repeated = std::ranges::any_of(
      upstream.headers, [&](const Header& other) { return other.name == header.name; });
  if (is_repeated) {
    return walk.error(name_at, fmt::format("sets `{}` twice", header.name), "set each header once");
  }
  const Walk::Step step(walk, name_at.text);
  read_operation(walk, value_at, header);
  if (header.op != HeaderOp::kRemove && header.value.empty()) return;  // Has been reported.
  upstream.headers.push_back(std::move(header));
}

struct ProxyDraft {
  ProxySettings proxy;
  std::string user;
  std::string password;
  const Node* url = nullptr;
};

void read_proxy_url(Walk& walk, const Node& node, ProxyDraft& draft) {
  const auto text = walk.text(node);
  if (!text) return;
  const auto endpoint = parse_url(*text);
  if (!endpoint) return walk.error(node, endpoint.error());
  const bool has_more = !endpoint->base_path.empty() || !endpoint->full_path.empty() ||
                        !endpoint->query.empty() || is_https(*text);
  if (has_more) {
    return walk.error(node, "must be http://host:port and no more",
                      "write it without https, path and query");
  }
  std::string_view written = *text;
  while (written.ends_with('/')) written.remove_suffix(1);
  const bool has_port = endpoint->port != kHttpPort || written.ends_with(":80");
  draft.proxy.host = endpoint->host;
  draft.proxy.port = has_port ? endpoint->port : kProxyPort;
  draft.url = &node;
}

void read_proxy_authorization(Walk& walk, const Node& node, ProxyDraft& draft) {
  auto value =
      read_bare_secret(walk, node, true, "write the whole value, as `Basic dXNlcjpwYXNzd29yZA==`");
  if (value) draft.proxy.authorization = std::move(*value);
}

void read_proxy_user(Walk& walk, const Node& node, ProxyDraft& draft) {
  read_user(walk, node, draft.user);
}

void read_proxy_password(Walk& walk, const Node& node, ProxyDraft& draft) {
  auto value = read_bare_secret(walk, node, true, "remove control characters and outer spaces");
  if (value) draft.password = std::move(*value);
}

void read_proxy_private(Walk& walk, const Node& node, ProxyDraft& draft) {
  if (const auto value = walk.boolean(node)) draft.proxy.allow_private = *value;
}

constexpr std::array kProxyFields = {Field<ProxyDraft>{"url", read_proxy_url, Presence::kRequired},
                                     Field<ProxyDraft>{"authorization", read_proxy_authorization},
                                     Field<ProxyDraft>{"user", read_proxy_user},
                                     Field<ProxyDraft>{"password", read_proxy_password},
                                     Field<ProxyDraft>{"private_addresses", read_proxy_private}};

}  // namespace

void read_credential(Walk& walk, const Node& node, Upstream& upstream) {
  auto value = read_bare_secret(walk, node, false,
                                "write the bare credential; Sluice puts `Bearer` before it");
  if (value) upstream.credential = {"authorization", "Bearer " + *value};
}

void read_auth(Walk& walk, const Node& node, Upstream& upstream) {
  if (!upstream.credential.name.empty()) {
    return walk.error(node, "stands beside `credential`", "keep one of the two");
  }
  AuthDraft auth;
  read_mapping(walk, node, kAuthFields, auth);
  if (!auth.kind) return;
  static constexpr std::array<std::string_view, 3> kTypes = {"bearer", "basic", "header"};
  const std::string_view type = kTypes[static_cast<size_t>(*auth.kind)];
  check_presence(walk, node, "user", auth.kind == AuthKind::kBasic, type);
  check_presence(walk, node, "name", auth.kind == AuthKind::kHeader, type);
  switch (*auth.kind) {
    case AuthKind::kBearer: upstream.credential = {"authorization", "Bearer " + auth.secret}; break;
    case AuthKind::kBasic:
      upstream.credential = {"authorization", basic(auth.user, auth.secret)};
      break;
    case AuthKind::kHeader: upstream.credential = {auth.name, auth.secret}; break;
  }
}

void read_headers(Walk& walk, const Node& node, Upstream& upstream) {
  if (!walk.is_mapping(node)) return;
  if (node.children.size() > 2 * kHeadersMax) {
    return walk.error(node, "has more than 32 headers", "remove some");
  }
  for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
    read_header(walk, node.children[i], node.children[i + 1], upstream);
  }
}

void read_proxy(Walk& walk, const Node& node, Upstream& upstream) {
  ProxyDraft draft;
  read_mapping(walk, node, kProxyFields, draft);
  if (node.kind != NodeKind::kMapping) return;
  const bool has_user = find_key(node, "user") != nullptr;
  const bool has_password = find_key(node, "password") != nullptr;
  if (has_user != has_password) {
    walk.error(node, "has only one of `user` and `password`", "add the other, or remove both");
  } else if (has_user && find_key(node, "authorization") != nullptr) {
    walk.error(node, "has `authorization` beside `user` and `password`", "keep one of the two");
  } else if (has_user) {
    draft.proxy.authorization = basic(draft.user, draft.password);
  }
  if (draft.url != nullptr) {
    const Walk::Step step(walk, "url");
    if (const auto fault = refuse_host(draft.proxy.host, draft.proxy.allow_private)) {
      walk.error(*draft.url, *fault);
    }
  }
  upstream.proxy = std::move(draft.proxy);
}

void list_auth_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kAuthFields, prefix, names);
}
void list_proxy_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kProxyFields, prefix, names);
}

}  // namespace sluice::config
