#include "schema_admin.h"

#include <algorithm>
#include <array>
#include <utility>

#include "address.h"
#include "bounds.h"
#include "fields.h"
#include "header_rules.h"

namespace sluice::config {
namespace {

constexpr size_t kSocketPathBytesMax = 107;  // sockaddr_un has 108 with the final NUL.
constexpr size_t kTokenBytesMin = 32;
constexpr size_t kTokenBytesMax = 512;
constexpr uint32_t kModeOfOthers = 0007;

void read_socket(Walk& walk, const Node& node, Snapshot& snapshot) {
  auto path = walk.path(node, kSocketPathBytesMax);
  if (path) snapshot.admin_socket = *path == "off" ? std::string() : std::move(*path);
}

void read_mode(Walk& walk, const Node& node, Snapshot& snapshot) {
  constexpr const char* kRemedy = "write it as \"0600\", or \"0660\" with a `group`";
  const auto text = walk.text(node);
  if (!text) return;
  const bool is_octal = (text->size() == 3 || text->size() == 4) &&
                        std::ranges::all_of(*text, [](char c) { return c >= '0' && c <= '7'; }) &&
                        (text->size() == 3 || text->front() == '0');
  if (!is_octal) return walk.error(node, "must be an octal file mode", kRemedy);
  uint32_t mode = 0;
  for (const char c : *text) mode = mode * 8 + static_cast<uint32_t>(c - '0');
  if ((mode & kModeOfOthers) != 0) {
    return walk.error(node, "lets every user of this machine command the gateway", kRemedy);
  }
  snapshot.admin.mode = mode;
}

void read_group(Walk& walk, const Node& node, Snapshot& snapshot) {
  if (auto name = walk.label(node)) snapshot.admin.group = std::move(*name);
}

void read_admin_listen(Walk& walk, const Node& node, Snapshot& snapshot) {
  const auto text = walk.text(node);
  if (!text) return;
  auto address = parse_listen_address(*text);
  if (!address) return walk.error(node, address.error());
  AdminListener& listener = snapshot.admin.listener.emplace();
  listener.host = std::move(address->host);
  listener.port = address->port;
}

// "file:///path" is a path, too, as below `tls`.
template <auto Member>
constexpr auto read_listener_file = [](Walk& walk, const Node& node, Snapshot& snapshot) {
  auto path = walk.path(node, kPathBytesMax);
  if (!path) return;
  if (path->starts_with("file://")) path->erase(0, 7);
  if (!path->starts_with('/')) {
    return walk.error(node, "must be a full path", "begin it with '/'");
  }
  if (!snapshot.admin.listener) {
    return walk.error(node, "has no effect without `listen`", "remove it, or add `listen`");
  }
  *snapshot.admin.listener.*Member = std::move(*path);
};

void read_bootstrap_token(Walk& walk, const Node& node, Snapshot& snapshot) {
  auto token = walk.secret(node);
  if (!token) return;
  constexpr const char* kRemedy = "make one with `openssl rand -hex 24`";
  if (!is_header_value(*token) || token->find(' ') != std::string::npos) {
    return walk.error(node, "must be visible ASCII without spaces", kRemedy);
  }
  if (token->size() < kTokenBytesMin || token->size() > kTokenBytesMax) {
    return walk.error(node, "must be 32 to 512 characters long", kRemedy);
  }
  if (!snapshot.admin.listener) {
    return walk.error(node, "has no effect without `listen`", "remove it, or add `listen`");
  }
  snapshot.admin.bootstrap_token = std::move(*token);
}

void read_watch(Walk& walk, const Node& node, Snapshot& snapshot) {
  if (const auto is_on = walk.boolean(node)) snapshot.admin.watch_config = *is_on;
}

constexpr std::array kAdminFields = {
    Field<Snapshot>{"socket", read_socket},
    Field<Snapshot>{"mode", read_mode},
    Field<Snapshot>{"group", read_group},
    Field<Snapshot>{"listen", read_admin_listen},
    Field<Snapshot>{"certificate", read_listener_file<&AdminListener::certificate>},
    Field<Snapshot>{"key", read_listener_file<&AdminListener::key>},
    Field<Snapshot>{"bootstrap_token", read_bootstrap_token},
    Field<Snapshot>{"watch_config", read_watch}};

void refuse_without_socket(Walk& walk, const Node& node, std::string_view name) {
  const Node* value = find_key(node, name);
  if (value == nullptr) return;
  const Walk::Step step(walk, name);
  walk.error(*value, "has no effect without `socket`", "remove it, or add `socket`");
}

void check_listener(Walk& walk, const Node& node, const Snapshot& snapshot) {
  const AdminSettings& admin = snapshot.admin;
  if (!admin.listener) return;
  const AdminListener& listener = *admin.listener;
  const Node& listen = *find_key(node, "listen");
  const Node* certificate = find_key(node, "certificate");
  if ((certificate == nullptr) != (find_key(node, "key") == nullptr)) {
    return walk.error(node, "has only one of `certificate` and `key`",
                      "add the other, or remove both");
  }
  const Walk::Step step(walk, "listen");
  const ListenAddress address{listener.host, listener.port};
  if (!address.is_loopback() && certificate == nullptr) {
    walk.error(listen, "can be reached from other machines without TLS",
               "add `certificate` and `key`, or write \"127.0.0.1:9465\"");
  }
  const bool is_taken = address == snapshot.listen || address == snapshot.metrics;
  if (is_taken && address.port != 0) {
    walk.error(listen, "is the address of another listener", "choose another port");
  }
  if (!snapshot.store && admin.bootstrap_token.empty()) {
    walk.error(listen, "has nobody who may use it: there are no management keys",
               "add a section `store`, or a `bootstrap_token`");
  }
}

}  // namespace

void read_admin(Walk& walk, const Node& node, Snapshot& snapshot) {
  read_mapping(walk, node, kAdminFields, snapshot);
  if (node.kind != NodeKind::kMapping) return;
  if (snapshot.admin_socket.empty()) {
    refuse_without_socket(walk, node, "mode");
    refuse_without_socket(walk, node, "group");
  }
  check_listener(walk, node, snapshot);
}

void list_admin_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kAdminFields, prefix, names);
}

}  // namespace sluice::config
