// What clients ask and what upstreams answer, drawn from a seed.
#pragma once

#include <string>

#include "client.h"
#include "prng.h"
#include "provider.h"

namespace sluice::sim {

class Drawer {
 public:
  // Scripts are written into `playbook`. Both outlive the drawer. With `has_text` streams bring
  // content.
  Drawer(support::Prng& random, Playbook& playbook, bool is_hostile, bool has_text) noexcept
      : random_(random), playbook_(playbook), is_hostile_(is_hostile), has_text_(has_text) {}

  [[nodiscard]] ClientPlan client(size_t number);

 private:
  [[nodiscard]] Request request(const std::string& tag, bool is_pipelined);
  [[nodiscard]] Request refused(const std::string& tag);
  [[nodiscard]] Script script(const std::string& tag, bool is_event_stream);
  [[nodiscard]] AttemptScript attempt(bool is_event_stream, size_t payload_bytes);
  void write_body(Request& request, std::string head, const std::string& json, bool is_pipelined);
  [[nodiscard]] bool chance(uint32_t per_mille) { return random_.chance(per_mille); }

  support::Prng& random_;
  Playbook& playbook_;
  bool is_hostile_;
  bool has_text_;
};

}  // namespace sluice::sim
