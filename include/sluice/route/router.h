// From a model to the route of its next attempt.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <sluice/base/ids.h>
#include <sluice/config/snapshot.h>
#include <sluice/route/deployment_stats.h>
#include <sluice/route/route_set.h>
#include <sluice/route/strategy.h>

namespace sluice::route {

// The route that was picked and its position in Model::routes.
struct Pick {
  uint32_t index = 0;
  const config::Route* route = nullptr;  // Never null; lives as long as the snapshot.
};

// A client may ask for so many tags; more are served by no route.
inline constexpr uint32_t kTagsMax = 16;

// Belongs to one snapshot on one shard and is kept beside the pin, so that an exchange asks with
// the ids of the snapshot it holds. May be built elsewhere and handed over. Nothing but the
// constructor and take_positions() allocates.
class Router {
 public:
  // The slices and the stats (by UpstreamId, one for each upstream, none null) must outlive the
  // router. A model has at most RouteSet::kRoutesMax routes. Shards begin at different places, so
  // that they do not all send their first request to one upstream.
  Router(ShardId shard, const std::vector<config::Model>& models,
         const std::vector<config::Upstream>& upstreams, std::vector<DeploymentStats*> stats);
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // Models whose strategy, routes and weights are as they were in `previous` go on from where they
  // stood there. Call once, before the first pick(), on the shard that owns both.
  void take_positions(const Router& previous);

  // Chooses by the model's strategy among the usable routes of the smallest priority number that
  // has one; empty when none has.
  [[nodiscard]] std::optional<Pick> pick(ModelId model, const RouteSet& usable,
                                         const Choice& choice) noexcept;

  // Whether any route's upstream has tags; otherwise all routes serve whatever is asked for.
  [[nodiscard]] bool has_tags(ModelId model) const noexcept { return plans_[model.value].has_tags; }
  // Of the model: the routes whose upstream has all tags of `tags`, a list with commas. Without a
  // list those whose upstream has no tags or the tag "default"; all, if there are none of them.
  [[nodiscard]] RouteSet routes_for_tags(ModelId model, std::string_view tags) const noexcept;

 private:
  // The candidates of one model stand together in `candidates_`.
  struct Plan {
    uint32_t first = 0;
    uint32_t count = 0;
    uint32_t tiers_first = 0;  // Into `tiers_`, in rising order of the priority number.
    uint32_t tiers_count = 0;
    bool has_begun = false;  // Positions are not all zero any more.
    bool has_tags = false;
    RouteSet untagged;  // What serves a request that asks for no tag.
  };

  void add_plan(const config::Model& model, const std::vector<DeploymentStats*>& stats);
  void note_tags(Plan& plan, const config::Model& model) const;
  [[nodiscard]] bool has_same_routes(uint32_t model, const Router& other,
                                     uint32_t other_model) const noexcept;
  void begin(const config::Model& model, Plan& plan, const Choice& choice) noexcept;
  [[nodiscard]] uint32_t choose(const config::Model& model, const Plan& plan,
                                const RouteSet& usable, const Choice& choice) noexcept;

  ShardId shard_;
  const std::vector<config::Model>& models_;
  const std::vector<config::Upstream>& upstreams_;
  std::vector<Plan> plans_;  // By ModelId.
  std::vector<Candidate> candidates_;
  std::vector<RouteSet> tiers_;
};

}  // namespace sluice::route
