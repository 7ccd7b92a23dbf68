// The operator's scripts of one configuration on one shard, where exchanges run them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/auth/chain.h>
#include <sluice/config/snapshot.h>
#include <sluice/script/hook.h>

namespace sluice::exchange {

// What on_request asked for, of one exchange.
struct ScriptWishes {
  std::vector<std::pair<std::string, std::string>> headers;  // To send upstream.
  std::string tags;  // In place of the client's; "" leaves those.
};

// Owned by the generation. A script blocks its shard while it runs, for at most scripts.time_max.
class Scripts {
 public:
  // Null without any. Those that do not compile were refused by whoever loaded the configuration.
  [[nodiscard]] static std::unique_ptr<Scripts> make(const config::Snapshot& config, Clock& clock);

  [[nodiscard]] bool has(script::HookKind kind) const noexcept {
    return hooks_ != nullptr && hooks_->has(kind);
  }
  [[nodiscard]] bool decides() const noexcept { return !sources_.empty(); }
  // Of one run. `source` is the index of a source of the chain; null runs a hook.
  [[nodiscard]] script::HookOutcome run(script::HookKind kind, const uint32_t* source,
                                        const script::RequestView& request,
                                        const script::ResponseView* response);

 private:
  struct Source {
    uint32_t index;
    std::unique_ptr<script::Hooks> hooks;
  };
  std::unique_ptr<script::Hooks> hooks_;
  std::vector<Source> sources_;
};

}  // namespace sluice::exchange
