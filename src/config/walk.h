// Reads values out of a Node tree and collects all that is wrong with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include <sluice/base/clock.h>
#include <sluice/config/environment.h>
#include <sluice/config/loader.h>
#include <sluice/config/members.h>
#include <sluice/config/nearest.h>
#include <sluice/config/routing.h>
#include <sluice/config/snapshot.h>
#include <sluice/config/yaml_tree.h>

#include "fault.h"

namespace sluice::config {

// Names of one kind and where they were given, so that references and repetitions are found.
class NameTable {
 public:
  struct Place {
    uint32_t index;
    uint32_t line;
  };
  // The place of an equal name that came before; the first one stays.
  std::optional<Place> add(const std::string& name, Place place);
  [[nodiscard]] std::optional<Place> find(const std::string& name) const;
  // The name that is most like `name`; empty when none is near. Looks at all of them.
  [[nodiscard]] std::string_view nearest_to(std::string_view name) const;

 private:
  absl::flat_hash_map<std::string, Place> places_;
};

// By "<upstream>/<model>" or "<model>", as the price file has them.
using PriceTable = absl::flat_hash_map<std::string, Price>;

// Knows the path to the value being read ("models[0].routes[1].weight") and gives it to every
// diagnostic. The read functions return nothing after they have reported why. No diagnostic holds
// a value of the file: it may be a secret that stands in the wrong place.
class Walk {
 public:
  // One step of the path, for as long as it lives.
  class Step {
   public:
    Step(Walk& walk, std::string_view name) : walk_(walk) { walk.path_.push_back({name, 0}); }
    Step(Walk& walk, size_t index) : walk_(walk) { walk.path_.push_back({{}, index}); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;
    ~Step() { walk_.path_.pop_back(); }

   private:
    Walk& walk_;
  };

  // Everything passed must outlive the walk.
  Walk(const std::string& file, const Environment& environment, const Members& found_members,
       LoadOutcome& outcome)
      : members(found_members), file_(file), environment_(environment), outcome_(outcome) {}

  // The cause continues the path: "must be 1 or more". A broken node is not reported again.
  void error(const Node& at, const Fault& fault);
  void error(const Node& at, std::string cause, std::string remedy);
  void warn(const Node& at, std::string cause, std::string remedy);

  [[nodiscard]] bool is_mapping(const Node& node);
  [[nodiscard]] bool is_sequence(const Node& node);

  // A scalar with its variables filled in; never empty.
  [[nodiscard]] std::optional<std::string> text(const Node& node);
  [[nodiscard]] std::optional<uint64_t> number(const Node& node, uint64_t min, uint64_t max);
  // The same, with `k` for thousands and `M` for millions.
  [[nodiscard]] std::optional<uint64_t> count(const Node& node, uint64_t min, uint64_t max);
  [[nodiscard]] std::optional<uint64_t> bytes(const Node& node, uint64_t min, uint64_t max);
  [[nodiscard]] std::optional<Duration> duration(const Node& node, Duration min, Duration max);
  [[nodiscard]] std::optional<bool> boolean(const Node& node);
  // The same, or zero for `off` and 0.
  [[nodiscard]] std::optional<Duration> switched_duration(const Node& node, Duration min,
                                                          Duration max);
  // "20%" is 0.2; the bounds are meant so too.
  [[nodiscard]] std::optional<double> share(const Node& node, double min, double max);
  // A decimal number of 0 or more, without exponent.
  [[nodiscard]] std::optional<double> decimal(const Node& node, double max);
  // The index of the word that stands there.
  [[nodiscard]] std::optional<size_t> choice(const Node& node,
                                             std::span<const std::string_view> words);
  // Text of letters, digits and ". _ -", at most 64: fit for a metric label.
  [[nodiscard]] std::optional<std::string> label(const Node& node);
  // A file name without control characters.
  [[nodiscard]] std::optional<std::string> path(const Node& node, size_t bytes_max);
  // The same, beginning with '/'.
  [[nodiscard]] std::optional<std::string> full_path(const Node& node, size_t bytes_max);
  // Text, or what `env://NAME` or `file:///path` holds. Shown to nobody, unless it `is_open`.
  [[nodiscard]] std::optional<std::string> text_or_reference(const Node& node,
                                                             bool is_open = false);
  // The same, for what nobody else may read.
  [[nodiscard]] std::optional<std::string> secret(const Node& node);

  // " (did you mean `x`?)" or nothing. Only so many are looked for in one file: a renamed model
  // that 10,000 keys name must not cost as many searches.
  [[nodiscard]] std::string suggestion(const NameTable& names, std::string_view name);

  [[nodiscard]] std::string path_text() const;
  // Of this process; for what belongs to the configuration but stands in a file of its own.
  [[nodiscard]] const Environment& environment() const noexcept { return environment_; }
  [[nodiscard]] const std::string& file() const noexcept { return file_; }
  [[nodiscard]] LoadOutcome& outcome() const noexcept { return outcome_; }

  // An item of `upstreams` is a range of Snapshot::upstreams: one that is discovered has as many as
  // were found, any other one has one.
  struct UpstreamItem {
    std::string name;  // Empty when it cannot be read.
    uint32_t first;
    uint32_t count;
    bool has_route;
  };

  const Members& members;
  NameTable upstream_names;  // Indices into `upstream_items`.
  std::vector<UpstreamItem> upstream_items;
  NameTable model_names;  // With aliases.
  NameTable tenant_names;
  NameTable key_names;
  RetrySettings retries;      // Of models that say nothing else.
  PriceTable prices;          // Of routes that say nothing else.
  bool counts_tokens = true;  // `usage`.
  bool has_redis = false;
  bool is_on_loss_told = false;  // One warning for all limits that have it without `redis`.
  // The first secret written into the file itself; null while there is none.
  const Node* plain_secret = nullptr;
  std::vector<TextPlace> secrets;  // Scalars that are shown to nobody, as they were read.

 private:
  struct Segment {
    std::string_view name;  // Empty for an item of a list.
    size_t index;
  };

  std::optional<std::string> secret_of_variable(const Node& node, const std::string& name);
  std::optional<std::string> secret_of_file(const Node& node, const std::string& path);

  const std::string& file_;
  const Environment& environment_;
  LoadOutcome& outcome_;
  std::vector<Segment> path_;
  uint32_t suggestions_left_ = 100;
};

}  // namespace sluice::config
