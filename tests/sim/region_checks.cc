// What must hold of a region: at every step, with each byte that comes, and at its end.
#include <gtest/gtest.h>

#include <algorithm>

#include "gateway_parts.h"
#include "region.h"

namespace sluice::sim {

void Region::note(const std::string& what) {
  const auto now = world_.clock().now().time_since_epoch();
  notes_.push_back(std::to_string(std::chrono::duration_cast<microseconds>(now).count()) + " us  " +
                   what);
  if (notes_.size() > kNotesKept) notes_.pop_front();
}

void Region::fail(const std::string& what) {
  if (std::exchange(has_failed_, true)) return;
  note("FAILS: " + what);
  ADD_FAILURE() << what;
}

std::string Region::last_events() const {
  std::string text;
  for (const std::string& each : notes_) text += each + '\n';
  return text + "--- kernel and network\n" + world_.trace().last_lines() + "--- threads" +
         threads_.describe() + "\n";
}

// --- at every step -----------------------------------------------------------------------------

void Region::look() {
  size_t number = 0;
  for (const Line& line : lines_) {
    for (const auto& gateway : line.gateways) {
      gateway->take_records([this](const auto& record) { take_record(record); });
      gateway->take_spends([&](const auto& record) { take_spend(number, record); });
      const std::string gauge = gateway->find_impossible_gauge();
      if (!gauge.empty()) fail("a gauge shows what cannot be: " + gauge);
      ++number;
    }
    // Numbers of gateways stay when others are added to an earlier line.
    number = (number / 100 + 1) * 100;
  }
  has_failed_ |= when_looked ? when_looked() : testing::Test::HasFailure();
}

void Region::take_record(const telemetry::AccessRecord& record) {
  ++figures_.exchanges;
  const std::string tag(record.request_id.view());
  note("settled " + tag + ", status " + std::to_string(record.status));
  if (!records_.emplace(tag, record).second) fail(tag + " was settled twice");
}

void Region::take_spend(size_t gateway, const usage::SpendRecord& record) {
  const std::string tag(record.request_id.view());
  const std::pair key(gateway, record.exchange);
  if (record.kind == usage::SpendKind::kOpened) {
    if (!accounts_.emplace(key, Account{.tag = tag}).second) fail(tag + " was opened twice");
    return;
  }
  const auto opened = accounts_.find(key);
  if (opened == accounts_.end()) return fail(tag + " was booked and never opened");
  if (std::exchange(opened->second.is_settled, true)) return fail(tag + " was booked twice");
  if (opened->second.tag != tag) return fail(tag + " was booked for " + opened->second.tag);
  if (!spends_.emplace(tag, record).second) fail(tag + " was booked in two places");
  check_spend(record);
}

void Region::check_spend(const usage::SpendRecord& record) {
  const std::string tag(record.request_id.view());
  const auto script = playbook_.find(tag);
  if (script == playbook_.end()) return;
  if (record.source != usage::SpendSource::kReported) return;
  const bool is_right = record.input_tokens == script->second.prompt_tokens &&
                        record.output_tokens == script->second.completion_tokens;
  if (is_right) return;
  fail(tag + " was booked with " + std::to_string(record.input_tokens.value_or(0)) + " and " +
       std::to_string(record.output_tokens.value_or(0)) + " tokens, its upstream said " +
       std::to_string(script->second.prompt_tokens) + " and " +
       std::to_string(script->second.completion_tokens));
}

// --- clients -----------------------------------------------------------------------------------

void Region::on_sent(size_t conversation, size_t index) {
  Conversation& talk = conversations_[conversation];
  const Asked asked = talk.caller->asked(index);
  note("sent " + asked.request->tag + (talk.speaks_http2 ? " by HTTP/2" : ""));
  world_.after(talk.is_slow ? kPatienceWithSlow : kPatience, [this, &talk, index] {
    if (talk.caller->has_gone()) return;
    const Asked now = talk.caller->asked(index);
    const bool is_whole = now.answer != nullptr && now.answer->is_complete;
    if (!now.is_over && !is_whole) fail(now.request->tag + " is stuck");
  });
}

void Region::on_heard(size_t conversation, size_t index) {
  Conversation& talk = conversations_[conversation];
  const Asked asked = talk.caller->asked(index);
  if (!talk.caller->fault().empty())
    return fail("a client got no protocol: " + talk.caller->fault());
  if (!asked.was_sent) return fail("an answer to a request that was not sent");
  if (asked.answer->is_complete) note("answered " + asked.request->tag);
  const auto script = playbook_.find(asked.request->tag);
  if (script == playbook_.end() || asked.answer->status != 200) return;
  const std::string id = asked.answer->header("x-upstream-request-id");
  if (id != "up-" + asked.request->tag) return fail(asked.request->tag + " got the head of " + id);
  const std::string expected = script->second.payload(asked.request->hears_usage);
  const std::string whole = script->second.payload(true);
  BodyWatch& watch = talk.watches[index];
  const std::string& body = asked.answer->body;
  if (watch.look(body, expected, script->second.is_event_stream)) return;
  // What an orderly close cuts is the beginning of an event that would have been dropped.
  if (whole.starts_with(body)) return;
  fail(asked.request->tag + " got a byte that is not the next one of its answer, after " +
       std::to_string(body.size()) +
       " bytes: " + body.substr(body.size() > 300 ? body.size() - 300 : 0));
}

// --- upstreams ---------------------------------------------------------------------------------

void Region::note_config(const std::string& config) {
  const auto snapshot = load_config(config, 1);
  for (size_t i = 0; i < places_most_.size(); ++i) {
    const uint32_t most = snapshot->upstreams[i].concurrency_max;
    places_most_[i] = most == 0 || places_most_[i] == 0 ? 0 : std::max(places_most_[i], most);
  }
}

void Region::on_request(uint32_t upstream, ProviderPeer& peer) {
  note("upstream " + std::to_string(upstream) + " is asked " + peer.tag());
  check_places(upstream);
  if (plan_.concurrency != 0) check_concurrency();
  if (plan_.requests_per_minute != 0) check_rate(peer.tag());
}

int64_t Region::lines_that_count() const {
  return plan_.has_ledger ? 1 : static_cast<int64_t>(lines_.size());
}

// What a rule lets through beyond its limit when the ledger was lost.
int64_t Region::allowed_by_loss(int64_t most) const {
  if (!plan_.has_ledger || !ledger_site_.was_ever_lost) return 0;
  switch (plan_.on_loss) {
    case config::OnLoss::kDeny: return 0;
    case config::OnLoss::kShare: return most;
    default: return most * plan_.gateways;
  }
}

void Region::check_rate(const std::string& tag) {
  if (!arrived_.insert(tag).second) return;
  const MonoTime now = world_.clock().now();
  arrivals_.emplace_back(now, tag);
  const Duration window = seconds(60) - kAdmissionToUpstream;
  while (arrivals_.front().first <= now - window) arrivals_.pop_front();
  const auto most = static_cast<int64_t>(plan_.requests_per_minute);
  const int64_t bound = most * lines_that_count() + allowed_by_loss(most);
  const auto count = static_cast<int64_t>(arrivals_.size());
  if (count > bound) {
    fail(std::to_string(count) + " requests were let through in a minute, allowed are " +
         std::to_string(bound));
  }
}

void Region::check_concurrency() {
  // What was in flight when the ledger was lost goes on.
  if (plan_.has_ledger && ledger_site_.was_ever_lost) return;
  std::set<std::string> tags;
  for (const auto& list : peers_) {
    for (ProviderPeer* peer : list) {
      if (peer->is_serving()) tags.insert(peer->tag());
    }
  }
  const int64_t bound = int64_t{plan_.concurrency} * lines_that_count();
  if (static_cast<int64_t>(tags.size()) <= bound) return;
  fail(std::to_string(tags.size()) + " requests are in flight, allowed are " +
       std::to_string(bound));
}

void Region::check_places(uint32_t upstream) {
  if (places_most_[upstream] == 0) return;
  const auto serving = std::ranges::count_if(peers_[upstream],
                                             [](ProviderPeer* peer) { return peer->is_serving(); });
  const auto bound = int64_t{places_most_[upstream]} * static_cast<int64_t>(lines_.size());
  if (serving <= bound) return;
  fail("upstream " + std::to_string(upstream) + " has " + std::to_string(serving) +
       " requests in flight, allowed are " + std::to_string(bound));
}

// --- at the end --------------------------------------------------------------------------------

void Region::check_conversations() {
  for (const auto& [key, account] : accounts_) {
    EXPECT_TRUE(account.is_settled) << account.tag << " was opened and never booked";
  }
  for (const Conversation& each : conversations_) check_answers(each);
}

void Region::check_answers(const Conversation& conversation) {
  const Caller& caller = *conversation.caller;
  EXPECT_EQ(caller.fault(), "");
  // Rules that are never reached refuse, too, while nobody can say so.
  const bool has_limits =
      plan_.requests_per_minute != 0 || plan_.concurrency != 0 || plan_.has_ledger;
  for (size_t i = 0; i < caller.size(); ++i) {
    const Asked asked = caller.asked(i);
    if (!plan_.is_hostile) {
      EXPECT_TRUE(asked.answer != nullptr && asked.answer->is_complete)
          << asked.request->tag << " was not answered";
    }
    if (asked.answer == nullptr) continue;
    asked.answer->is_complete ? ++figures_.answered : ++figures_.broken;
    if (conversation.speaks_http2) ++figures_.by_http2;
    if (asked.answer->status == 429) ++figures_.refused;
    AnswerChecker(playbook_, plan_.is_hostile, has_limits).check(*asked.request, *asked.answer);
    check_settled(asked);
  }
}

void Region::check_settled(const Asked& asked) {
  const std::string& tag = asked.request->tag;
  if (tag.empty() || asked.answer->status == 408 || is_bare_refusal(*asked.answer)) return;
  const auto record = records_.find(tag);
  if (record == records_.end()) {
    ADD_FAILURE() << tag << " was answered and not settled";
    return;
  }
  EXPECT_EQ(record->second.status, asked.answer->status) << tag;
  const auto script = playbook_.find(tag);
  const bool is_whole = script != playbook_.end() && asked.answer->status == 200 &&
                        asked.answer->is_complete && script->second.is_faultless();
  if (!is_whole) return;
  const auto spend = spends_.find(tag);
  if (spend == spends_.end()) {
    ADD_FAILURE() << tag << " was answered and not booked";
    return;
  }
  EXPECT_EQ(spend->second.source, usage::SpendSource::kReported)
      << tag << ": the usage that its upstream told of is lost";
}

}  // namespace sluice::sim
