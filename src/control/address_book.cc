#include <sluice/control/address_book.h>

#include <algorithm>
#include <set>
#include <tuple>

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

AddressBook::AddressBook(io::Lane& lane, io::OffloadReturns& returns, Logger& log,
                         Resolve resolve) noexcept
    : lane_(lane),
      returns_(returns),
      log_(log),
      resolve_(resolve),
      answered_(returns.ring().ready()) {}

AddressBook::Entry& AddressBook::entry_of(const config::Upstream& upstream) {
  const auto [place, is_new] = entries_.try_emplace(target_of(upstream));
  Entry& entry = place->second;
  if (is_new) {
    std::tie(entry.host, entry.port) = place->first;
    if (const auto numeric = net::parse_address(entry.host, entry.port)) {
      entry.addresses = {*numeric};
      entry.is_numeric = entry.is_answered = true;
    }
  }
  return entry;
}

void AddressBook::look_up(Entry& entry) {
  if (entry.is_numeric || entry.is_in_flight) return;
  auto job = [this, resolve = resolve_, host = entry.host, port = entry.port] {
    returns_.push([this, key = Key(host, port), outcome = resolve(host, port)]() mutable {
      finish(key, std::move(outcome));
    });
  };
  // A full lane is a slow name server: the next refresh tries again.
  if (!lane_.post(std::move(job))) return;
  entry.is_in_flight = true;
  ++in_flight_;
}

void AddressBook::finish(const Key& key, std::expected<Addresses, std::string> outcome) {
  --in_flight_;
  answered_.trigger();
  const auto place = entries_.find(key);
  SLUICE_ASSERT(place != entries_.end());  // Entries in flight are not forgotten.
  Entry& entry = place->second;
  entry.is_in_flight = false;
  entry.is_answered = true;
  const bool had_failed = std::exchange(entry.has_failed, !outcome.has_value());
  if (!outcome) {
    if (had_failed) return;
    log_.write(
        LogLevel::kWarn, "resolver",
        outcome.error() + (entry.addresses.empty() ? "; requests to it fail until it resolves"
                                                   : "; the addresses known so far stay in use"));
    return;
  }
  if (had_failed) log_.write(LogLevel::kInfo, "resolver", entry.host + " resolves again");
  if (is_same_set(entry.addresses, *outcome)) return;
  entry.addresses = std::move(*outcome);
  entry.has_changed = true;
}

bool AddressBook::start_missing(const config::Snapshot& snapshot) {
  bool is_missing = false;
  for (const config::Upstream& upstream : snapshot.upstreams) {
    Entry& entry = entry_of(upstream);
    if (entry.is_answered) continue;
    is_missing = true;
    look_up(entry);
  }
  return is_missing;
}

void AddressBook::warn_of_missing(const config::Snapshot& snapshot) {
  for (const config::Upstream& upstream : snapshot.upstreams) {
    const Entry& entry = entry_of(upstream);
    if (entry.is_answered) continue;
    log_.write(LogLevel::kWarn, "resolver",
               "no answer yet for " + entry.host + " of upstream " + upstream.name +
                   "; requests to it fail until it resolves");
  }
}

Task<std::vector<AddressBook::Addresses>> AddressBook::find(const config::Snapshot& snapshot,
                                                            Deadline deadline) {
  io::Timer timer(returns_.ring().ready(), returns_.ring().timers());
  timer.set(deadline);
  while (start_missing(snapshot)) {
    answered_.reset();
    co_await io::first_of(&answered_, &timer);
    if (timer.is_ready()) {
      warn_of_missing(snapshot);
      break;
    }
  }
  std::vector<Addresses> all;
  all.reserve(snapshot.upstreams.size());
  for (const config::Upstream& upstream : snapshot.upstreams) {
    all.push_back(entry_of(upstream).addresses);
  }
  co_return all;
}

void AddressBook::refresh(const config::Snapshot& snapshot) {
  std::set<Key> wanted;
  for (const config::Upstream& upstream : snapshot.upstreams) {
    wanted.insert(target_of(upstream));
    look_up(entry_of(upstream));
  }
  std::erase_if(entries_, [&wanted](const auto& entry) {
    return !entry.second.is_in_flight && !wanted.contains(entry.first);
  });
}

std::vector<upstream::UpdateAddresses> AddressBook::take_changes(const config::Snapshot& snapshot) {
  std::vector<upstream::UpdateAddresses> changes;
  for (uint32_t i = 0; i < snapshot.upstreams.size(); ++i) {
    const Entry& entry = entry_of(snapshot.upstreams[i]);
    if (!entry.has_changed) continue;
    changes.push_back({snapshot.generation, UpstreamId{i}, entry.addresses});
  }
  for (auto& [key, entry] : entries_) entry.has_changed = false;
  return changes;
}

}  // namespace sluice::control
