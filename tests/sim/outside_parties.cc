#include "outside_parties.h"

#include <algorithm>

#include "scene_config.h"

namespace sluice::sim {

bool SimLedger::is_lost() {
  return site_.is_down || site_.cut_off.contains(name_) || prng_.chance(site_.loses_per_mille);
}

Duration SimLedger::way() {
  return microseconds(50 + prng_.below(prng_.chance(site_.loses_per_mille) ? 60'000 : 1500));
}

Task<Result<control::LedgerReply>> SimLedger::ask(const control::LedgerCall& call,
                                                  Deadline deadline) {
  SLUICE_ASSERT(ring_ != nullptr);
  io::Timer timer(ring_->ready(), ring_->timers());
  const bool gets_there = !is_lost();
  timer.set(Deadline{ring_->now() + way()}.sooner(deadline));
  co_await io::first_of(&timer);
  timer.clear();
  const bool is_in_time = !deadline.has_passed(ring_->now());
  if (gets_there && is_in_time && !site_.is_down) {
    const int64_t now = world_.clock().wall().unix_us;
    const control::LedgerReply reply = site_.model.answer(name_, call, now);
    if (!is_lost()) {
      timer.set(Deadline{ring_->now() + way()}.sooner(deadline));
      co_await io::first_of(&timer);
      timer.clear();
      const bool is_whole = reply.answers.size() == call.asks.size();
      if (is_whole && !deadline.has_passed(ring_->now())) co_return reply;
    }
  }
  timer.set(deadline);
  co_await io::first_of(&timer);
  co_return fail(ErrorCode::kIo, Side::kSelf, "the ledger does not answer");
}

Task<std::expected<net::NameAnswer, std::string>> SimResolver::find_addresses(std::string host,
                                                                              uint16_t port) {
  if (const auto address = net::parse_address(host, port)) {
    co_return net::NameAnswer{.addresses = {*address}, .valid_for = seconds(300)};
  }
  if (fails || !host.starts_with('u')) co_return std::unexpected(host + " is not known");
  const uint32_t number = static_cast<uint32_t>(std::atoi(host.c_str() + 1));
  co_return net::NameAnswer{.addresses = {upstream_address(number)}, .valid_for = seconds(1)};
}

Task<std::expected<std::vector<net::ServiceRecord>, std::string>> SimResolver::resolve_srv(
    std::string) {
  co_return std::vector<net::ServiceRecord>();
}

}  // namespace sluice::sim
