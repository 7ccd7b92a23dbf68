// Which of an upstream's addresses a dial tries, and in which order. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include <sluice/base/result.h>
#include <sluice/net/address.h>

namespace sluice::net {

// The addresses one dial will try, by value: the table they come from may change meanwhile.
struct AddressList {
  static constexpr uint32_t kMost = 6;
  std::array<Address, kMost> entries;
  uint32_t count = 0;
};

// Of more addresses than these the rest is never looked at.
inline constexpr uint32_t kKnownAddressesMost = 64;

// Takes only what may be dialled (base/ip_class.h; D61). The family of the first of them leads and
// the families alternate (RFC 8305, section 4); within a family `turn` rotates, so that equal
// servers get equal shares. Errors, to be retried elsewhere: kUpstreamConnect, of the upstream when
// nothing is known, of ourselves when nothing is allowed.
[[nodiscard]] Result<AddressList> choose_addresses(std::span<const Address> known,
                                                   bool private_addresses, uint32_t turn) noexcept;

}  // namespace sluice::net
