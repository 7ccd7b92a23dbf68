#include <sluice/control/config_history.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <sluice/crypto/digest.h>
#include <sluice/crypto/secret.h>

namespace sluice::control {

std::string checksum_of(std::string_view text) {
  std::string hex;
  for (const uint8_t byte : crypto::sha256(text)) hex += fmt::format("{:02x}", byte);
  return hex;
}

void ConfigHistory::add(ConfigVersion version) {
  bytes_ += version.text.size();
  versions_.push_back(std::move(version));
  while (versions_.size() > kVersionsMost || (versions_.size() > 2 && bytes_ > kBytesMost)) {
    std::string& text = versions_.front().text;
    bytes_ -= text.size();
    crypto::wipe(text.data(), text.size());  // It may hold secrets.
    versions_.pop_front();
  }
}

ConfigHistory::Version ConfigHistory::newest() const noexcept {
  return versions_.empty() ? nullptr : &versions_.back();
}

ConfigHistory::Version ConfigHistory::find(uint64_t generation) const noexcept {
  const auto found = std::ranges::find(versions_, generation, &ConfigVersion::generation);
  return found == versions_.end() ? nullptr : &*found;
}

}  // namespace sluice::control
