// The answers that no shape of the table of commands fits.
#pragma once

#include <string>

#include <sluice/json/value.h>

namespace sluice::sluicectl {

[[nodiscard]] std::string render_version(const json::Value& answer);
[[nodiscard]] std::string render_upstreams(const json::Value& answer);
[[nodiscard]] std::string render_spend(const json::Value& answer);
[[nodiscard]] std::string render_reload(const json::Value& answer);
[[nodiscard]] std::string render_drain(const json::Value& answer);
[[nodiscard]] std::string render_config(const json::Value& answer);
[[nodiscard]] std::string render_candidate(const json::Value& answer);
[[nodiscard]] std::string render_reset(const json::Value& answer);

}  // namespace sluice::sluicectl
