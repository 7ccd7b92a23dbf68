// A run's figures for people and for programs.
#pragma once

#include <string>

#include "run.h"

namespace sluice::load {

[[nodiscard]] std::string render_table(const Run& run);
[[nodiscard]] std::string render_json(const Run& run);

// Whether everything that was asked for happened: something completed and nothing failed.
[[nodiscard]] bool is_good(const Run& run) noexcept;

}  // namespace sluice::load
