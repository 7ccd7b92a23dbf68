#include <sluice/control/address_book.h>

#include <algorithm>
#include <set>

#include <sluice/base/assert.h>
#include <sluice/base/ip_class.h>
#include <sluice/io/timer.h>
#include <sluice/upstream/reach.h>

namespace sluice::control {
namespace {

// Name servers rotate their answers: only a different set is a change.
bool is_same_set(const std::vector<net::Address>& left, const std::vector<net::Address>& right) {
  std::set<std::string> left_texts, right_texts;
  for (const net::Address& address : left) left_texts.insert(address.to_text());
  for (const net::Address& address : right) right_texts.insert(address.to_text());
  return left_texts == right_texts;
}

// What is dialled for an upstream.
std::pair<std::string, uint16_t> target_of(const config::Upstream& upstream) {
  if (upstream.proxy) return {upstream.proxy->host, upstream.proxy->port};
  return {upstream.endpoint.host, upstream.endpoint.port};
}

}  // namespace

AddressBook::AddressBook(io::Ring& ring, net::Resolver& resolver, Logger& log) noexcept
    : ring_(ring),
      resolver_(resolver),
      log_(log),
      answered_(ring.ready()),
      emptied_(ring.ready()) {}

AddressBook::~AddressBook() { SLUICE_ASSERT(!is_busy()); }

AddressBook::Entries::value_type& AddressBook::entry_of(const config::Upstream& upstream) {
  const auto [place, is_new] = entries_.try_emplace(target_of(upstream));
  if (is_new) {
    Entry& entry = place->second;
    if (const auto numeric = net::parse_address(place->first.first, place->first.second)) {
      entry.addresses = {*numeric};
      entry.is_numeric = entry.is_answered = true;
    } else {
      entry.valid = Deadline{MonoTime::min()};
      next_refresh_ = entry.valid;
    }
  }
  return *place;
}

void AddressBook::look_up(Entries::value_type& entry) {
  const bool is_wanted = !entry.second.is_numeric && !entry.second.is_in_flight;
  // Those beyond the bound stay due.
  if (!is_wanted || is_ending_ || in_flight_ >= kLookUpsAtOnce) return;
  entry.second.is_in_flight = true;
  ++in_flight_;
  io::start_detached(ask(entry.first));
}

Task<void> AddressBook::ask(Key key) {
  finish(key, co_await resolver_.find_addresses(key.first, key.second));
}

void AddressBook::finish(const Key& key, std::expected<net::NameAnswer, std::string> outcome) {
  if (--in_flight_ == 0) emptied_.trigger();
  answered_.trigger();
  if (is_ending_) return;
  const auto place = entries_.find(key);
  SLUICE_ASSERT(place != entries_.end());  // Entries in flight are not forgotten.
  Entry& entry = place->second;
  entry.is_in_flight = false;
  entry.is_answered = true;
  const Duration valid_for =
      outcome ? std::clamp(outcome->valid_for, kValidMin, kValidMax) : kRetryAfter;
  entry.valid = Deadline{ring_.now() + valid_for};
  next_refresh_ = next_refresh_.sooner(entry.valid);
  const bool had_failed = std::exchange(entry.has_failed, !outcome.has_value());
  if (!outcome) {
    if (had_failed) return;
    log_.write(
        LogLevel::kWarn, "resolver",
        outcome.error() + (entry.addresses.empty() ? "; requests to it fail until it resolves"
                                                   : "; the addresses known so far stay in use"));
    return;
  }
  if (had_failed) log_.write(LogLevel::kInfo, "resolver", key.first + " resolves again");
  if (is_same_set(entry.addresses, outcome->addresses)) return;
  entry.addresses = std::move(outcome->addresses);
  entry.has_changed = has_changes_ = true;
}

bool AddressBook::start_missing(const config::Snapshot& snapshot) {
  bool is_missing = false;
  for (const config::Upstream& upstream : snapshot.upstreams) {
    Entries::value_type& entry = entry_of(upstream);
    if (entry.second.is_answered) continue;
    is_missing = true;
    look_up(entry);
  }
  return is_missing;
}

void AddressBook::warn_of_missing(const config::Snapshot& snapshot) {
  for (const config::Upstream& upstream : snapshot.upstreams) {
    const auto& [key, entry] = entry_of(upstream);
    if (entry.is_answered) continue;
    log_.write(LogLevel::kWarn, "resolver",
               "no answer yet for " + key.first + " of upstream " + upstream.name +
                   "; requests to it fail until it resolves");
  }
}

void AddressBook::warn_of_refused(const config::Upstream& upstream, const Addresses& addresses) {
  const bool allows_private = upstream::reach_of(upstream).dials_private();
  const auto is_refused = [&](const net::Address& address) {
    return !may_dial(address.ip_class(), allows_private);
  };
  if (!std::ranges::all_of(addresses, is_refused)) return;
  const bool is_private = std::ranges::any_of(
      addresses, [](const net::Address& address) { return may_dial(address.ip_class(), true); });
  log_.write(LogLevel::kWarn, "resolver",
             "upstream " + upstream.name + ": " + target_of(upstream).first + " resolves to " +
                 addresses.front().to_text() +
                 (is_private ? ", which is dialled only with private_addresses: true"
                             : ", which is never dialled"));
}

Task<std::vector<AddressBook::Addresses>> AddressBook::find(const config::Snapshot& snapshot,
                                                            Deadline deadline) {
  io::Timer timer(ring_.ready(), ring_.timers());
  timer.set(deadline);
  // Some are answered as they are asked for: the event is cleared before.
  for (answered_.reset(); start_missing(snapshot) && !is_ending_; answered_.reset()) {
    co_await io::first_of(&answered_, &timer);
    if (timer.is_ready()) {
      warn_of_missing(snapshot);
      break;
    }
  }
  std::vector<Addresses> all;
  all.reserve(snapshot.upstreams.size());
  for (const config::Upstream& upstream : snapshot.upstreams) {
    all.push_back(entry_of(upstream).second.addresses);
  }
  co_return all;
}

void AddressBook::refresh(const config::Snapshot& snapshot) {
  const MonoTime now = ring_.now();
  const bool is_new = snapshot.generation != refreshed_generation_;
  if (!is_new && !next_refresh_.has_passed(now)) return;
  refreshed_generation_ = snapshot.generation;
  std::set<Key> wanted;
  for (const config::Upstream& upstream : snapshot.upstreams) {
    Entries::value_type& entry = entry_of(upstream);
    wanted.insert(entry.first);
    if (entry.second.valid.has_passed(now)) look_up(entry);
  }
  std::erase_if(entries_, [&wanted](const auto& entry) {
    return !entry.second.is_in_flight && !wanted.contains(entry.first);
  });
  next_refresh_ = Deadline::never();
  for (const auto& [key, entry] : entries_) {
    if (!entry.is_in_flight) next_refresh_ = next_refresh_.sooner(entry.valid);
  }
}

std::vector<upstream::UpdateAddresses> AddressBook::take_changes(const config::Snapshot& snapshot) {
  std::vector<upstream::UpdateAddresses> changes;
  if (!std::exchange(has_changes_, false)) return changes;
  for (uint32_t i = 0; i < snapshot.upstreams.size(); ++i) {
    const Entry& entry = entry_of(snapshot.upstreams[i]).second;
    if (!entry.has_changed) continue;
    warn_of_refused(snapshot.upstreams[i], entry.addresses);
    changes.push_back({snapshot.generation, UpstreamId{i}, entry.addresses});
  }
  for (auto& [key, entry] : entries_) entry.has_changed = false;
  return changes;
}

Task<void> AddressBook::end() {
  is_ending_ = true;
  co_await resolver_.end();
  while (is_busy()) {
    emptied_.reset();
    co_await io::first_of(&emptied_);
  }
}

}  // namespace sluice::control
