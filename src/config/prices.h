// What tokens cost: a route's own `price`, and the file that `prices` names.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/config/snapshot.h>

#include "walk.h"

namespace sluice::config {

inline constexpr size_t kPriceFileBytesMax = 16u << 20;
inline constexpr size_t kPricesMax = 100'000;

// A mapping with `input`, `output`, and perhaps `cached` and `reasoning`.
void read_price(Walk& walk, const Node& node, Price& price);
void list_price_keys(const std::string& prefix, std::vector<std::string>& names);

// Reads the file into Walk::prices. What is wrong within it is reported with its own lines.
void read_prices(Walk& walk, const Node& node, Snapshot& snapshot);

// What a route to `upstream` costs that sends `sent_model` for `public_model`.
[[nodiscard]] std::optional<Price> find_price(const PriceTable& prices, std::string_view upstream,
                                              std::string_view sent_model,
                                              std::string_view public_model);

}  // namespace sluice::config
