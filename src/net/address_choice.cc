#include <sluice/net/address_choice.h>

#include <algorithm>

namespace sluice::net {
namespace {

// Places of one family's addresses in what is known.
struct Family {
  std::array<uint8_t, kKnownAddressesMost> places;
  uint32_t count = 0;
  uint32_t taken = 0;

  [[nodiscard]] bool has_more() const noexcept { return taken < count; }
  [[nodiscard]] uint8_t take(uint32_t turn) noexcept {
    return places[(turn % count + taken++) % count];
  }
};

}  // namespace

Result<AddressList> choose_addresses(std::span<const Address> known, bool private_addresses,
                                     uint32_t turn) noexcept {
  if (known.empty()) {
    return fail(ErrorCode::kUpstreamConnect, Side::kUpstream, Retry::kYes, "name not resolved");
  }
  std::array<Family, 2> families;
  int leading = AF_UNSPEC;
  const auto looked_at = std::min(known.size(), size_t{kKnownAddressesMost});
  for (size_t i = 0; i < looked_at; ++i) {
    if (!may_dial(known[i].ip_class(), private_addresses)) continue;
    if (leading == AF_UNSPEC) leading = known[i].family();
    Family& family = families[known[i].family() == leading ? 0 : 1];
    family.places[family.count++] = static_cast<uint8_t>(i);
  }
  if (leading == AF_UNSPEC) {
    return fail(ErrorCode::kUpstreamConnect, Side::kSelf, Retry::kYes, "address not allowed");
  }
  AddressList list;
  while (list.count < AddressList::kMost) {
    // Alternates for as long as both have some.
    Family& own = families[list.count % 2];
    Family& family = own.has_more() ? own : families[1 - list.count % 2];
    if (!family.has_more()) break;
    list.entries[list.count++] = known[family.take(turn)];
  }
  return list;
}

}  // namespace sluice::net
