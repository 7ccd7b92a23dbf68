#include "key_file.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "fields.h"
#include "named_file.h"
#include "schema.h"

namespace sluice::config {
namespace {

constexpr std::array kKeyFileFields = {Field<Snapshot>{"keys", read_keys, Presence::kRequired}};

// What keys name, and what they may not repeat, is that of the configuration.
void swap_tables(Walk& left, Walk& right) {
  std::swap(left.model_names, right.model_names);
  std::swap(left.tenant_names, right.tenant_names);
  std::swap(left.key_names, right.key_names);
  std::swap(left.is_on_loss_told, right.is_on_loss_told);
}

}  // namespace

void read_key_file(Walk& walk, const Node& node, Snapshot& snapshot) {
  const auto named = read_named_file(walk, node, kFileBytesMax);
  if (!named) return;
  snapshot.auth.key_file = named->path;
  LoadOutcome& outcome = walk.outcome();
  if (!named->file.text.ends_with('\n')) {
    return walk.error(
        node, fmt::format("names the file {}, which does not end with a line break", named->shown),
        "it looks half written: write it under another name, then rename it");
  }
  const auto root = read_yaml(named->file.text, named->shown, outcome.errors);
  if (!root) return;
  Walk inner(named->shown, walk.environment(), walk.members, outcome);
  inner.counts_tokens = walk.counts_tokens;
  inner.has_redis = walk.has_redis;
  swap_tables(walk, inner);
  read_mapping(inner, *root, kKeyFileFields, snapshot);
  swap_tables(walk, inner);
  if (named->file.others_may_read && inner.plain_secret != nullptr) {
    inner.warn(*inner.plain_secret, "this file holds a secret, and every user may read it",
               fmt::format("run `chmod 600 {}`, or use env:// or file://", named->shown));
  }
}

}  // namespace sluice::config
