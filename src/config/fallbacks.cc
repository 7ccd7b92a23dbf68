#include "fallbacks.h"

#include <algorithm>

namespace sluice::config {
namespace {

enum class Visit : uint8_t { kNotYet, kOpen, kDone };

// A model on the path from the first one, and the next of its fallbacks to look at.
struct Step {
  uint32_t model;
  size_t next = 0;
};

std::vector<uint32_t> cycle_of(const std::vector<Step>& path, uint32_t model) {
  std::vector<uint32_t> cycle;
  auto at = std::ranges::find(path, model, &Step::model);
  for (; at != path.end(); ++at) cycle.push_back(at->model);
  cycle.push_back(model);
  return cycle;
}

void add(uint32_t model, uint32_t fallback, std::vector<uint32_t>& flat) {
  if (fallback == model || flat.size() > kFallbacksMax) return;
  if (std::ranges::find(flat, fallback) == flat.end()) flat.push_back(fallback);
}

}  // namespace

FlatFallbacks flatten_fallbacks(std::span<const std::vector<uint32_t>> direct) {
  FlatFallbacks result;
  result.of_model.resize(direct.size());
  std::vector<Visit> visits(direct.size(), Visit::kNotYet);
  // Depth first with a path of its own: a chain may be as long as the file has models.
  std::vector<Step> path;
  for (uint32_t first = 0; first < direct.size(); ++first) {
    if (visits[first] != Visit::kNotYet) continue;
    path.push_back({first});
    visits[first] = Visit::kOpen;
    while (!path.empty()) {
      const uint32_t model = path.back().model;
      if (path.back().next < direct[model].size()) {
        const uint32_t fallback = direct[model][path.back().next++];
        if (visits[fallback] == Visit::kOpen) result.cycles.push_back(cycle_of(path, fallback));
        if (visits[fallback] != Visit::kNotYet) continue;
        visits[fallback] = Visit::kOpen;
        path.push_back({fallback});
        continue;
      }
      for (const uint32_t fallback : direct[model]) {
        add(model, fallback, result.of_model[model]);
        for (const uint32_t next : result.of_model[fallback]) {
          add(model, next, result.of_model[model]);
        }
      }
      visits[model] = Visit::kDone;
      path.pop_back();
    }
  }
  return result;
}

}  // namespace sluice::config
