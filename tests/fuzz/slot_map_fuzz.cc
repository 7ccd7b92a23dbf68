// What a cluster says of its slots, in a reply or a redirection, stays within its bounds, and a
// key's slot depends on its tag alone.
#include "slot_map.h"  // tidy: allow(private-header) the client needs a cluster

#include <algorithm>

#include "fuzz_pieces.h"
#include "reply_reader.h"  // tidy: allow(private-header) so that maps come from bytes

namespace {

using namespace sluice;
using namespace sluice::store;
using fuzz::expect;

bool is_address(const RedisEndpoint& endpoint) {
  return endpoint.port != 0 && !endpoint.host.empty() && !endpoint.host.starts_with('/') &&
         std::ranges::all_of(endpoint.host, [](char c) { return c > ' ' && c < 0x7f; });
}

void check_map(const SlotMap& map) {
  expect(map.masters.size() <= RedisClient::kNodesMost, "nodes are bounded");
  expect(std::ranges::all_of(map.masters, is_address), "nodes have addresses");
  expect(map.owners.size() == kSlotCount, "slots are all there");
  const bool is_owned = std::ranges::all_of(map.owners, [&](uint8_t owner) {
    return owner == SlotMap::kNobody || owner < map.masters.size();
  });
  expect(is_owned, "owners are nodes");
  const auto missed = std::ranges::count(map.owners, SlotMap::kNobody);
  expect(map.is_complete() == (missed == 0), "a slot of nobody is missed");
}

void check_redirection(std::string_view text, SlotMap& map, const RedisEndpoint& asked) {
  const auto found = read_redirection(text, asked);
  if (!found) return;
  expect(found->slot < kSlotCount, "a redirection is of a slot");
  expect(is_address(found->target), "it has an address");
  const std::string spelled = "ASK " + std::to_string(found->slot) + ' ' + found->target.host +
                              ':' + std::to_string(found->target.port);
  const auto again = read_redirection(spelled, asked);
  expect(again && again->slot == found->slot && again->target == found->target,
         "it reads back from its plainest spelling");
  map.move(found->slot, found->target);
  const RedisEndpoint* owner = map.owner_of(found->slot);
  const bool is_full = map.masters.size() >= RedisClient::kNodesMost;
  expect(is_full || (owner != nullptr && *owner == found->target), "the slot has moved");
  check_map(map);
}

void check_tag(std::string_view text) {
  expect(slot_of(text) < kSlotCount, "keys have slots");
  const size_t end = std::min(text.find_first_of("{}"), text.size());
  const std::string tag(text.substr(0, end));
  if (tag.empty()) return;
  expect(slot_of("x{" + tag + "}" + std::string(text)) == slot_of(tag), "the tag says the slot");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const RedisEndpoint asked{.host = "asked", .port = 7000};
  SlotMap map;
  ReplyReader reader;
  reader.feed(text.substr(0, 60'000));
  for (int replies = 0; replies < 8; ++replies) {
    auto reply = reader.next();
    if (!reply || !*reply) break;
    if ((*reply)->kind == RedisReply::Kind::kError) check_redirection((*reply)->text, map, asked);
    auto read = read_slot_map(**reply, asked);
    if (!read) {
      expect(!read.error().empty(), "a fault says what it is");
      continue;
    }
    check_map(*read);
    map = *std::move(read);
  }
  check_redirection(text, map, asked);
  check_tag(text);
  return 0;
}
