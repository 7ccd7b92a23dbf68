#include <sluice/config/snapshot.h>

#include <algorithm>

#include <absl/strings/string_view.h>

#include "address.h"

namespace sluice::config {

bool ListenAddress::is_loopback() const noexcept {
  const auto address = parse_ip(host);
  return address && address->is_loopback();
}

bool Key::allows(ModelId model) const noexcept {
  return all_models || std::binary_search(models.begin(), models.end(), model);
}

ModelId Snapshot::find_model(std::string_view name) const noexcept {
  const auto entry = models_by_name.find(absl::string_view(name.data(), name.size()));
  if (entry != models_by_name.end()) return entry->second;
  for (const Wildcard& wildcard : wildcards) {
    // The `*` stands for at least one character.
    const bool is_match = name.size() > wildcard.prefix.size() + wildcard.suffix.size() &&
                          name.starts_with(wildcard.prefix) && name.ends_with(wildcard.suffix);
    if (is_match) return wildcard.model;
  }
  return ModelId{};
}

std::vector<std::string> needs_restart(const Snapshot& running, const Snapshot& candidate) {
  std::vector<std::string> keys;
  if (running.shards != candidate.shards) keys.emplace_back("shards");
  if (running.sandbox != candidate.sandbox) keys.emplace_back("sandbox");
  if (running.redis != candidate.redis) keys.emplace_back("redis");
  if (running.journal != candidate.journal) keys.emplace_back("journal");
  if (running.limits.subjects_max != candidate.limits.subjects_max) {
    keys.emplace_back("limits.subjects_max");
  }
  if (running.limits.bank_file != candidate.limits.bank_file) keys.emplace_back("limits.bank_file");
  if (running.store != candidate.store) keys.emplace_back("store.path");
  if (running.admin.listener != candidate.admin.listener) keys.emplace_back("admin.listen");
  const auto path_of = [](const Snapshot& snapshot) {
    return snapshot.usage_log ? snapshot.usage_log->path : std::string();
  };
  if (path_of(running) != path_of(candidate)) keys.emplace_back("usage_log.path");
  return keys;
}

}  // namespace sluice::config
