#include "slot_map.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace sluice::store {
namespace {

constexpr auto kCrcTable = [] {
  std::array<uint16_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1;
    table[byte] = static_cast<uint16_t>(crc);
  }
  return table;
}();

constexpr size_t kHostBytesMost = 255;

template <class T>
std::optional<T> read_number(std::string_view text) noexcept {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_host(std::string_view host) noexcept {
  return host.size() <= kHostBytesMost && !host.starts_with('/') &&
         std::ranges::all_of(host, [](char byte) { return byte > ' ' && byte < 127; });
}

std::optional<RedisEndpoint> read_node(const RedisReply& node, const RedisEndpoint& asked) {
  if (node.items.size() < 2 || node.items[1].kind != RedisReply::Kind::kInteger) {
    return std::nullopt;
  }
  const int64_t port = node.items[1].integer;
  const std::string& host = node.items[0].text;  // Nil and "" say: where you asked.
  if (port < 1 || port > 65535 || !is_host(host)) return std::nullopt;
  return RedisEndpoint{.host = host.empty() ? asked.host : host,
                       .port = static_cast<uint16_t>(port)};
}

}  // namespace

uint16_t slot_of(std::string_view key) noexcept {
  const size_t open = key.find('{');
  if (open != std::string_view::npos) {
    const size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) {
      key = key.substr(open + 1, close - open - 1);
    }
  }
  uint32_t crc = 0;
  for (const char byte : key) {
    crc = (crc << 8 & 0xffff) ^ kCrcTable[(crc >> 8 ^ static_cast<uint8_t>(byte)) & 0xff];
  }
  return static_cast<uint16_t>(crc % kSlotCount);
}

bool SlotMap::is_complete() const noexcept {
  return std::ranges::find(owners, kNobody) == owners.end();
}

bool SlotMap::has_master(const RedisEndpoint& endpoint) const noexcept {
  return std::ranges::find(masters, endpoint) != masters.end();
}

void SlotMap::move(uint16_t slot, const RedisEndpoint& endpoint) {
  if (const uint8_t owner = place_of(endpoint); owner != kNobody) owners[slot] = owner;
}

uint8_t SlotMap::place_of(const RedisEndpoint& endpoint) {
  const auto found = std::ranges::find(masters, endpoint);
  if (found != masters.end()) return static_cast<uint8_t>(found - masters.begin());
  if (masters.size() >= RedisClient::kNodesMost) return kNobody;
  masters.push_back(endpoint);
  return static_cast<uint8_t>(masters.size() - 1);
}

std::expected<SlotMap, std::string_view> read_slot_map(const RedisReply& reply,
                                                       const RedisEndpoint& asked) {
  SlotMap map;
  if (reply.kind != RedisReply::Kind::kList) return std::unexpected("its slots are no list");
  for (const RedisReply& range : reply.items) {
    if (range.items.size() < 3) return std::unexpected("a range of its slots has no node");
    const int64_t first = range.items[0].integer;
    const int64_t last = range.items[1].integer;
    if (first < 0 || last < first || last >= kSlotCount) {
      return std::unexpected("a range of its slots is out of bounds");
    }
    const auto owner = read_node(range.items[2], asked);
    if (!owner) return std::unexpected("the owner of a slot has no address");
    const uint8_t place = map.place_of(*owner);
    if (place == SlotMap::kNobody) return std::unexpected("it has more nodes than we use");
    std::fill(map.owners.begin() + first, map.owners.begin() + last + 1, place);
  }
  return map;
}

std::optional<Redirection> read_redirection(std::string_view text, const RedisEndpoint& asked) {
  const size_t first = text.find(' ');
  if (first == std::string_view::npos) return std::nullopt;
  const size_t second = text.find(' ', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto slot = read_number<uint16_t>(text.substr(first + 1, second - first - 1));
  const std::string_view target = text.substr(second + 1);
  const size_t colon = target.rfind(':');
  if (!slot || *slot >= kSlotCount || colon == std::string_view::npos) return std::nullopt;
  const auto port = read_number<uint16_t>(target.substr(colon + 1));
  const std::string_view host = target.substr(0, colon);
  if (!port || *port == 0 || !is_host(host)) return std::nullopt;
  return Redirection{
      .slot = *slot,
      .target = {.host = host.empty() ? asked.host : std::string(host), .port = *port}};
}

}  // namespace sluice::store
