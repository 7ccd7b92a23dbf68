#include "redis_fleet.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "command_text.h"

namespace sluice::store {

RedisFleet::RedisFleet(WireParts& parts, RedisFigures& figures)
    : parts_(parts),
      figures_(figures),
      sentinels_(parts),
      servers_(parts),
      gate_(parts.ring.ready()),
      gone_(parts.ring.ready()),
      refresh_wanted_(parts.ring.ready()),
      look_pause_(parts.ring.ready(), parts.ring.timers()) {}

RedisFleet::~RedisFleet() = default;

void RedisFleet::start() {
  switch (parts_.options.kind) {
    case RedisOptions::Kind::kStandalone: add_link({.host = "", .port = 0}, &servers_); return;
    case RedisOptions::Kind::kSentinel:
      add_link({.host = "", .port = 0}, &sentinels_);
      io::start_detached(watch_master(gate_.enter()));
      return;
    case RedisOptions::Kind::kCluster: io::start_detached(watch_slots(gate_.enter())); return;
  }
}

Task<void> RedisFleet::end() {
  gone_.trigger();
  for (const auto& link : links_) link->end();
  while (gate_.inside() > 0) {
    gate_.emptied().reset();
    co_await io::first_of(&gate_.emptied());
  }
}

// --- which server -----------------------------------------------------------------------------

RedisLink* RedisFleet::link_for(std::string_view key) noexcept {
  if (!is_cluster()) return links_.empty() ? nullptr : links_.front().get();
  if (!key.empty()) {
    const uint8_t place = slots_.owners[slot_of(key)];
    return place == SlotMap::kNobody ? nullptr : owners_[place];
  }
  const auto up = std::ranges::find_if(
      owners_, [](const RedisLink* link) { return link != nullptr && link->is_up(); });
  return up == owners_.end() ? nullptr : *up;
}

RedisLink* RedisFleet::link_at(const RedisEndpoint& endpoint) {
  RedisLink* link = find_link(endpoint);
  if (link == nullptr) {
    drop_ended();
    if (gone_.is_ready() || links_.size() >= kLinksMost) return nullptr;
    link = &add_link(endpoint, nullptr);
  }
  link->is_wanted = true;
  return link;
}

void RedisFleet::note_moved(const Redirection& moved) {
  RedisLink* link = link_at(moved.target);
  const uint8_t place = slots_.place_of(moved.target);
  if (place == SlotMap::kNobody) return;
  if (place >= owners_.size()) owners_.resize(place + 1u);
  owners_[place] = link;
  slots_.owners[moved.slot] = place;
  want_refresh();
}

void RedisFleet::withdraw(PendingCall& call) {
  for (const auto& link : links_) link->withdraw(call);
}

bool RedisFleet::is_up() const noexcept {
  const auto is_link_up = [](const RedisLink* link) { return link != nullptr && link->is_up(); };
  if (!is_cluster()) return !links_.empty() && links_.front()->is_up();
  return !owners_.empty() && slots_.is_complete() && std::ranges::all_of(owners_, is_link_up);
}

bool RedisFleet::is_up_for(std::string_view key) const noexcept {
  if (!is_cluster()) return is_up();
  const uint8_t place = slots_.owners[slot_of(key)];
  return place != SlotMap::kNobody && owners_[place] != nullptr && owners_[place]->is_up();
}

RedisLink& RedisFleet::add_link(const RedisEndpoint& endpoint, RedisLink::Finder* finder) {
  links_.push_back(std::make_unique<RedisLink>(parts_, figures_, *this, endpoint, finder));
  RedisLink& link = *links_.back();
  link.start(gate_);
  return link;
}

RedisLink* RedisFleet::find_link(const RedisEndpoint& endpoint) noexcept {
  const auto found = std::ranges::find_if(
      links_, [&](const auto& link) { return link->endpoint() == endpoint && !link->is_ending(); });
  return found == links_.end() ? nullptr : found->get();
}

void RedisFleet::drop_ended() {
  std::erase_if(links_, [](const auto& link) { return link->is_over(); });
}

// --- who answers ------------------------------------------------------------------------------

void RedisFleet::on_up(RedisLink& link) {
  ++figures_.connected;
  if (!link.identity().is_known() || link.identity() != link.last_seen) ++epoch_;
  link.last_seen = link.identity();
}

void RedisFleet::on_down(RedisLink&) { want_refresh(); }

// --- the master of Sentinels ------------------------------------------------------------------

Task<void> RedisFleet::watch_master(shard::Gate::Pass) {
  RedisLink& link = *links_.front();
  while (!gone_.is_ready()) {
    look_pause_.set(Deadline::after(parts_.ring.now(), kMasterLook));
    co_await io::first_of(&look_pause_, &gone_);
    if (gone_.is_ready() || !link.is_up()) continue;
    const uint64_t connected = figures_.connected;
    const WireResult<RedisEndpoint> named = co_await sentinels_.find(gone_);
    // A link that was connected anew meanwhile has asked by itself.
    if (!named || !link.is_up() || figures_.connected != connected) continue;
    if (*named != link.endpoint()) link.leave("Sentinel names another master");
  }
  look_pause_.clear();
}

// --- the slots of a cluster -------------------------------------------------------------------

Task<void> RedisFleet::watch_slots(shard::Gate::Pass) {
  Duration pause = kRefreshGap;
  while (!gone_.is_ready()) {
    refresh_wanted_.reset();
    const bool is_known = co_await refresh_slots();
    // Until everybody is reached the map may be an old one.
    const bool is_settled = is_known && is_up();
    pause = is_settled ? kRefreshGap : std::min(pause * 2, RedisClient::kBackoffMax);
    look_pause_.set(Deadline::after(
        parts_.ring.now(),
        pause / 2 + Duration(static_cast<int64_t>(parts_.next_random() %
                                                  static_cast<uint64_t>(pause.count() / 2)))));
    co_await io::first_of(&look_pause_, &gone_);
    if (is_settled) co_await io::first_of(&refresh_wanted_, &gone_);
  }
  look_pause_.clear();
}

Task<bool> RedisFleet::refresh_slots() {
  WireFault last;
  for (const RedisEndpoint& node : whom_to_ask()) {
    std::string command;
    append_command(command, {"CLUSTER", "SLOTS"});
    const WireResult<RedisReply> reply =
        co_await ask_once(parts_, node, false, std::move(command), gone_);
    if (gone_.is_ready()) co_return false;
    if (!reply) {
      last = {.text = fmt::format("{}: {}", to_text(node), reply.error().text),
              .is_of_configuration = reply.error().is_of_configuration};
      continue;
    }
    auto map = read_slot_map(*reply, node);
    if (map && !map->masters.empty()) {
      has_told_failure_ = false;
      adopt(*std::move(map));
      co_return true;
    }
    last.text = fmt::format("{}: {}", to_text(node),
                            map ? std::string_view("it has no slots") : map.error());
  }
  note_refresh_failure(last);
  co_return false;
}

void RedisFleet::note_refresh_failure(const WireFault& fault) {
  if (std::exchange(has_told_failure_, true)) return;
  parts_.log.write(fault.is_of_configuration ? LogLevel::kError : LogLevel::kWarn, "redis",
                   fmt::format("no node tells the slots of the cluster; the last one asked is {}; "
                               "it is tried again",
                               fault.text));
}

std::vector<RedisEndpoint> RedisFleet::whom_to_ask() {
  std::vector<RedisEndpoint> up;
  for (const RedisLink* link : owners_) {
    if (link != nullptr && link->is_up()) up.push_back(link->endpoint());
  }
  // Each gets its turn: one that was cut off from the others tells an old map.
  if (!up.empty()) {
    std::ranges::rotate(up, up.begin() + static_cast<std::ptrdiff_t>(turn_++ % up.size()));
  }
  for (const RedisEndpoint& seed : parts_.options.endpoints) {
    if (std::ranges::find(up, seed) == up.end()) up.push_back(seed);
  }
  return up;
}

void RedisFleet::adopt(SlotMap map) {
  drop_ended();
  // Whoever has its slots now may have got them without what was in them.
  const bool has_lost_one = std::ranges::any_of(
      slots_.masters, [&](const RedisEndpoint& old) { return !map.has_master(old); });
  if (has_lost_one) ++epoch_;
  slots_ = std::move(map);
  owners_.clear();
  const std::vector<RedisEndpoint> masters = slots_.masters;
  for (const RedisEndpoint& master : masters) {
    RedisLink* link = find_link(master);
    if (link == nullptr && links_.size() < kLinksMost) link = &add_link(master, nullptr);
    owners_.push_back(link);
  }
  for (const auto& link : links_) {
    const bool is_owner = std::ranges::find(owners_, link.get()) != owners_.end();
    if (!is_owner && !link->is_wanted) link->end();
    link->is_wanted = false;
  }
}

}  // namespace sluice::store
