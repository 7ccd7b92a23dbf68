#include <sluice/store/redis_client.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <sluice/io/timer.h>
#include <sluice/shard/gate.h>

#include "command_text.h"
#include "redis_fleet.h"

namespace sluice::store {
namespace {

constexpr size_t kScriptsMost = 64;  // Whose digests are kept.

// How a command of a call is sent next.
struct Step {
  bool is_due = true;
  bool loads_script = false;            // Its text goes first.
  bool asks = false;                    // ASKING goes first.
  std::optional<RedisEndpoint> target;  // A node that another one named.
};

}  // namespace

struct RedisClient::Parts {
  Parts(io::Ring& ring, net::Resolver& resolver, Logger& log, RedisOptions options)
      : wire{.ring = ring, .resolver = resolver, .log = log, .options = std::move(options)},
        fleet(wire, figures),
        calls(ring.ready()) {}

  [[nodiscard]] std::string digest_of(std::string_view script) const {
    const auto known = digests.find(script);
    return known == digests.end() ? std::string() : known->second;
  }

  // Sends what is due; false when nothing is.
  bool send(const std::vector<RedisCommand>& commands, std::vector<Step>& steps, PendingCall& call);
  [[nodiscard]] Parcel pack(const RedisCommand& command, const Step& step) const;
  // What the replies ask for.
  void plan(const std::vector<RedisCommand>& commands, std::vector<Step>& steps, PendingCall& call);
  void keep_digest(std::string_view script, const RedisReply& loaded);
  void follow(Step& step, const PendingCall::Slot& slot, RedisFault fault);

  RedisFigures figures;
  WireParts wire;
  RedisFleet fleet;
  shard::Gate calls;
  std::map<std::string, std::string, std::less<>> digests;  // By script.
  bool is_started = false;
};

Parcel RedisClient::Parts::pack(const RedisCommand& command, const Step& step) const {
  Parcel parcel;
  if (step.loads_script) {
    append_command(parcel.text, {"SCRIPT", "LOAD", command.script});
    ++parcel.preludes;
  }
  if (step.asks) {
    append_command(parcel.text, {"ASKING"});
    ++parcel.preludes;
  }
  if (command.script.empty()) {
    append_command(parcel.text, command.arguments);
    return parcel;
  }
  const std::string digest = digest_of(command.script);
  std::vector<std::string> arguments;
  arguments.reserve(command.arguments.size() + 2);
  if (digest.empty()) {
    arguments = {"EVAL", std::string(command.script)};
  } else {
    arguments = {"EVALSHA", digest};
  }
  arguments.insert(arguments.end(), command.arguments.begin(), command.arguments.end());
  append_command(parcel.text, arguments);
  return parcel;
}

bool RedisClient::Parts::send(const std::vector<RedisCommand>& commands, std::vector<Step>& steps,
                              PendingCall& call) {
  size_t due = 0;
  // All are opened first: the first one that fails at once must not end the call.
  for (size_t i = 0; i < commands.size(); ++i) {
    if (!steps[i].is_due) continue;
    call.open_slot(i);
    ++due;
  }
  for (size_t i = 0; i < commands.size(); ++i) {
    Step& step = steps[i];
    if (!std::exchange(step.is_due, false)) continue;
    if (!commands[i].script.empty() && digest_of(commands[i].script).empty()) {
      step.loads_script = true;
    }
    RedisLink* link = step.target ? fleet.link_at(*step.target) : fleet.link_for(commands[i].key);
    if (link == nullptr) {
      fleet.want_refresh();
      call.settle(i, fail(ErrorCode::kIo, Side::kSelf, Retry::kYes, "Redis is not connected"));
      continue;
    }
    Parcel parcel = pack(commands[i], step);
    parcel.call = &call;
    parcel.index = i;
    link->submit(std::move(parcel));
  }
  return due > 0;
}

void RedisClient::Parts::keep_digest(std::string_view script, const RedisReply& loaded) {
  constexpr size_t kDigestBytes = 40;
  if (loaded.kind != RedisReply::Kind::kText || loaded.text.size() != kDigestBytes) return;
  if (digests.size() >= kScriptsMost) digests.clear();
  digests.insert_or_assign(std::string(script), loaded.text);
}

void RedisClient::Parts::follow(Step& step, const PendingCall::Slot& slot, RedisFault fault) {
  const auto redirection = read_redirection(slot.result->text, slot.asked);
  if (!redirection || !fleet.is_cluster()) return;
  step.asks = fault == RedisFault::kAsk;
  step.target = redirection->target;
  step.is_due = true;
  if (!step.asks) fleet.note_moved(*redirection);
}

void RedisClient::Parts::plan(const std::vector<RedisCommand>& commands, std::vector<Step>& steps,
                              PendingCall& call) {
  for (size_t i = 0; i < commands.size(); ++i) {
    Step& step = steps[i];
    PendingCall::Slot& slot = call.slots[i];
    if (slot.prelude) {
      if (step.loads_script) keep_digest(commands[i].script, *slot.prelude);
      slot.prelude.reset();
    }
    step.loads_script = false;
    if (!slot.result) continue;
    switch (const RedisFault fault = fault_of(*slot.result)) {
      case RedisFault::kMoved:
      case RedisFault::kAsk: follow(step, slot, fault); break;
      case RedisFault::kNoScript:
        step.loads_script = step.is_due = !commands[i].script.empty();
        break;
      case RedisFault::kClusterDown: fleet.want_refresh(); break;
      default: break;
    }
  }
}

RedisCommand run_script(std::string_view script, const std::vector<std::string>& keys,
                        const std::vector<std::string>& arguments) {
  RedisCommand command{.arguments = {}, .key = keys.empty() ? "" : keys.front(), .script = script};
  command.arguments.reserve(1 + keys.size() + arguments.size());
  command.arguments.push_back(std::to_string(keys.size()));
  command.arguments.insert(command.arguments.end(), keys.begin(), keys.end());
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  return command;
}

RedisClient::RedisClient(io::Ring& ring, net::Resolver& resolver, Logger& log, RedisOptions options)
    : parts_(std::make_unique<Parts>(ring, resolver, log, std::move(options))) {
  SLUICE_ASSERT(!parts_->wire.options.endpoints.empty());
}

RedisClient::~RedisClient() = default;

void RedisClient::start() {
  SLUICE_ASSERT(!std::exchange(parts_->is_started, true));
  parts_->fleet.start();
}

Task<std::vector<Result<RedisReply>>> RedisClient::call(std::vector<RedisCommand> commands,
                                                        Deadline deadline) {
  const auto pass = parts_->calls.enter();
  io::Ring& ring = parts_->wire.ring;
  PendingCall call(ring.ready(), commands.size());
  std::vector<Step> steps(commands.size());
  io::Timer timer(ring.ready(), ring.timers());
  timer.set(deadline);
  for (uint32_t round = 0; round < kRoundsMost; ++round) {
    call.done.reset();
    if (!parts_->send(commands, steps, call)) break;
    co_await io::first_of(&call.done, &timer);
    if (call.open > 0) {
      parts_->fleet.withdraw(call);
      break;
    }
    parts_->plan(commands, steps, call);
  }
  timer.clear();
  std::vector<Result<RedisReply>> results;
  results.reserve(commands.size());
  for (PendingCall::Slot& slot : call.slots) results.push_back(std::move(slot.result));
  co_return std::move(results);
}

bool RedisClient::is_up() const noexcept { return parts_->fleet.is_up(); }

bool RedisClient::is_up_for(std::string_view key) const noexcept {
  return parts_->fleet.is_up_for(key);
}

uint64_t RedisClient::epoch() const noexcept { return parts_->fleet.epoch(); }

RedisFigures RedisClient::figures() const noexcept { return parts_->figures; }

Task<void> RedisClient::end() {
  co_await parts_->fleet.end();
  while (parts_->calls.inside() > 0) {
    parts_->calls.emptied().reset();
    co_await io::first_of(&parts_->calls.emptied());
  }
}

}  // namespace sluice::store
