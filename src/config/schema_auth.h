// What an upstream is told beside the client's request, and through which proxy.
#pragma once

#include <string>
#include <vector>

#include <sluice/config/snapshot.h>

#include "walk.h"

namespace sluice::config {

void read_credential(Walk& walk, const Node& node, Upstream& upstream);
void read_auth(Walk& walk, const Node& node, Upstream& upstream);
// After the credential, whose header may not be set a second time.
void read_headers(Walk& walk, const Node& node, Upstream& upstream);
void read_proxy(Walk& walk, const Node& node, Upstream& upstream);

void list_auth_keys(const std::string& prefix, std::vector<std::string>& names);
void list_proxy_keys(const std::string& prefix, std::vector<std::string>& names);

}  // namespace sluice::config
