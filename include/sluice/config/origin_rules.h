// Which pages of browsers may read answers (CORS), as field lines that are ready to be sent.
#pragma once

#include <string>
#include <string_view>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <sluice/config/edge.h>

namespace sluice::config {

// Made once for a configuration, so that an answer only copies lines. Lines are whole, each with
// its line break, and views of them live as long as the rules. Deeply const.
class OriginRules {
 public:
  OriginRules() = default;  // No page may read anything.
  OriginRules(const CorsSettings& settings, const OriginList& origins);

  // Of every answer: caches must know that it differs by origin. Empty where it does not.
  [[nodiscard]] std::string_view shared_lines() const noexcept { return shared_lines_; }
  // Of an answer to a page of `origin`, as it was sent; empty where that is not allowed.
  [[nodiscard]] std::string_view answer_lines(std::string_view origin) const noexcept;
  // Of the answer to a page that asks what it may send; empty where its origin is not allowed.
  [[nodiscard]] std::string_view preflight_lines(std::string_view origin) const noexcept;
  // False where no page may read anything, and none need be looked at.
  [[nodiscard]] bool are_enabled() const noexcept { return are_enabled_; }

 private:
  struct Lines {
    std::string answer;
    std::string preflight;
  };
  // Null where the origin is not allowed.
  [[nodiscard]] const Lines* find(std::string_view origin) const noexcept;

  bool are_enabled_ = false;
  std::string shared_lines_;
  absl::flat_hash_map<std::string, Lines> allowed_;
  absl::flat_hash_set<std::string> denied_;
  Lines everybody_;  // Empty unless all origins are allowed.
};

}  // namespace sluice::config
