#include <sluice/control/key_lookups.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include <sluice/base/assert.h>
#include <sluice/crypto/random.h>
#include <sluice/crypto/secret.h>
#include <sluice/io/timer.h>

#include "key_sources.h"

namespace sluice::control {
namespace {

using auth::KeyAnswer;
using Kind = auth::KeyAnswer::Kind;

// A source that fails now and then, perhaps for one key alone, is no more talked about than this.
constexpr Duration kLogPause = seconds(10);

// One source as long as anybody asks it.
struct AskedSource {
  explicit AskedSource(io::Ring& ring) : left(ring.ready()) {}

  config::SourceSettings settings;
  metrics::KeySourceKind kind{};
  std::unique_ptr<auth::KeySource> source;  // Null when it could not be made, for `fault`.
  std::string fault;
  uint32_t flights = 0;  // That have asked it or may do so yet.
  io::Event left;        // The last of them has ended, or all are to end.
  bool is_down = false;
  MonoTime logged_at = MonoTime::min();  // When that was said last.
};

// What is asked about one key, for all who want to know it.
struct Flight {
  Flight() = default;
  Flight(const Flight&) = delete;
  Flight& operator=(const Flight&) = delete;
  ~Flight() { crypto::wipe(question.secret.data(), question.secret.size()); }

  auth::KeyQuestion question;
  uint32_t sources_end = 0;
  uint64_t generation = 0;
  config::AuthMode mode = config::AuthMode::kFirstMatch;
  Deadline deadline;
  std::vector<ShardId> shards;                             // Once for each question.
  std::vector<std::pair<uint32_t, AskedSource*>> sources;  // By their index, in order.
  std::vector<auth::SourceSaid> said;
};

using FlightKey = std::tuple<uint64_t, crypto::Digest, uint32_t>;

metrics::KeyLookupOutcome outcome_of(const KeyAnswer& answer) noexcept {
  switch (answer.kind) {
    case Kind::kFound: return metrics::KeyLookupOutcome::kFound;
    case Kind::kNotFound: return metrics::KeyLookupOutcome::kNotFound;
    case Kind::kFailed: break;
  }
  return metrics::KeyLookupOutcome::kFailed;
}

KeyAnswer failed(std::string reason) {
  KeyAnswer answer;
  answer.reason = std::move(reason);
  return answer;
}

}  // namespace

struct KeyLookups::State {
  State(const Parts& parts_, uint64_t seed_)
      : parts(parts_), seed(seed_), inside(parts.ring.ready()) {}

  void follow(const config::AuthSettings& settings);
  [[nodiscard]] std::unique_ptr<AskedSource> make(const config::SourceSettings& settings);
  void leave(std::unique_ptr<AskedSource> source);
  Task<void> end_source(std::unique_ptr<AskedSource> source, shard::Gate::Pass pass);

  Task<void> fly(std::unique_ptr<Flight> flight, shard::Gate::Pass pass);
  Task<void> ask_in_order(Flight& flight);
  Task<void> ask_all(Flight& flight);
  static Task<void> ask_into(State* state, AskedSource* source, const Flight* flight,
                             KeyAnswer* answer, uint32_t* open, io::Event* done);
  Task<KeyAnswer> ask(AskedSource& source, const Flight& flight);
  void note(AskedSource& source, const KeyAnswer& answer);
  void answer(ShardId shard, const Flight& flight, std::vector<auth::SourceSaid> said);

  Parts parts;
  const uint64_t seed;
  config::AuthMode mode = config::AuthMode::kFirstMatch;
  Duration wait_max{};
  uint64_t generation = 0;
  std::vector<std::unique_ptr<AskedSource>> sources;  // By index; null for those of the shards.
  std::vector<AskedSource*> leaving;
  std::map<FlightKey, Flight*> flights;
  shard::Gate inside;
  bool is_ending = false;
};

void KeyLookups::State::follow(const config::AuthSettings& settings) {
  auto before = std::exchange(sources, {});
  for (const config::SourceSettings& wanted : settings.sources) {
    if (!outside_kind(wanted.kind)) {
      sources.push_back(nullptr);
      continue;
    }
    const auto known = std::ranges::find_if(before, [&](const auto& source) {
      return source != nullptr && source->source != nullptr && source->settings == wanted;
    });
    sources.push_back(known != before.end() ? std::move(*known) : make(wanted));
  }
  for (auto& source : before) {
    if (source != nullptr) leave(std::move(source));
  }
}

std::unique_ptr<AskedSource> KeyLookups::State::make(const config::SourceSettings& settings) {
  auto asked = std::make_unique<AskedSource>(parts.ring);
  asked->settings = settings;
  asked->kind = *outside_kind(settings.kind);
  auto made = make_source(settings, {.ring = parts.ring,
                                     .returns = parts.returns,
                                     .resolver = parts.resolver,
                                     .log = parts.log,
                                     .seed = seed});
  if (made) {
    asked->source = *std::move(made);
    asked->source->start();
  } else {
    asked->fault = std::move(made.error());
    note(*asked, failed(asked->fault));
  }
  return asked;
}

void KeyLookups::State::leave(std::unique_ptr<AskedSource> source) {
  leaving.push_back(source.get());
  io::start_detached(end_source(std::move(source), inside.enter()));
}

Task<void> KeyLookups::State::end_source(std::unique_ptr<AskedSource> source, shard::Gate::Pass) {
  // What was asked under the former configuration is still answered, unless the process ends.
  while (source->flights > 0 && !is_ending) {
    source->left.reset();
    co_await io::first_of(&source->left);
  }
  if (source->source != nullptr) co_await source->source->end();
  while (source->flights > 0) {
    source->left.reset();
    co_await io::first_of(&source->left);
  }
  std::erase(leaving, source.get());
}

Task<void> KeyLookups::State::fly(std::unique_ptr<Flight> flight, shard::Gate::Pass) {
  if (flight->mode == config::AuthMode::kAll) {
    co_await ask_all(*flight);
  } else {
    co_await ask_in_order(*flight);
  }
  for (const auto& [index, source] : flight->sources) {
    if (--source->flights == 0) source->left.trigger();
  }
  flights.erase(FlightKey{flight->generation, flight->question.digest, flight->sources_end});
  // A copy for each shard, and no more copies than shards.
  for (size_t i = 0; i + 1 < flight->shards.size(); ++i) {
    answer(flight->shards[i], *flight, flight->said);
  }
  answer(flight->shards.back(), *flight, std::move(flight->said));
}

Task<void> KeyLookups::State::ask_in_order(Flight& flight) {
  for (const auto& [index, source] : flight.sources) {
    KeyAnswer answer = co_await ask(*source, flight);
    const bool decides =
        answer.kind == Kind::kFound ||
        (answer.kind == Kind::kFailed && source->settings.on_error == config::SourceLoss::kDeny);
    flight.said.push_back({.source = index, .answer = std::move(answer)});
    if (decides) break;
  }
}

Task<void> KeyLookups::State::ask_all(Flight& flight) {
  flight.said.resize(flight.sources.size());
  auto open = static_cast<uint32_t>(flight.sources.size());
  io::Event done(parts.ring.ready());
  for (size_t i = 0; i < flight.sources.size(); ++i) {
    flight.said[i].source = flight.sources[i].first;
    io::start_detached(
        ask_into(this, flight.sources[i].second, &flight, &flight.said[i].answer, &open, &done));
  }
  if (open > 0) co_await io::first_of(&done);
}

Task<void> KeyLookups::State::ask_into(State* state, AskedSource* source, const Flight* flight,
                                       KeyAnswer* answer, uint32_t* open, io::Event* done) {
  *answer = co_await state->ask(*source, *flight);
  if (--*open == 0) done->trigger();
}

Task<KeyAnswer> KeyLookups::State::ask(AskedSource& source, const Flight& flight) {
  const MonoTime begun = parts.ring.now();
  KeyAnswer answer;
  if (source.source == nullptr) {
    answer = failed(source.fault);
  } else if (is_ending) {
    answer = failed("the gateway ends");
  } else if (flight.deadline.has_passed(begun)) {
    answer = failed("the sources before it took all the time there was");
  } else {
    const Deadline own = Deadline::after(begun, source.settings.timeout);
    answer = co_await source.source->ask(flight.question, own.sooner(flight.deadline));
  }
  parts.registry.control().key_lookups[static_cast<size_t>(source.kind)][outcome_of(answer)].add();
  parts.registry.control().key_lookup_time.record(parts.ring.now() - begun);
  if (!is_ending) note(source, answer);
  co_return answer;
}

void KeyLookups::State::note(AskedSource& source, const KeyAnswer& answer) {
  const MonoTime now = parts.ring.now();
  if (answer.kind != Kind::kFailed) {
    if (!std::exchange(source.is_down, false)) return;
    parts.log.write(LogLevel::kInfo, "auth",
                    fmt::format("source {} answers again", source.settings.name));
    return;
  }
  const bool is_told = source.logged_at != MonoTime::min() && now - source.logged_at < kLogPause;
  if (source.is_down || is_told) return;
  source.is_down = true;
  source.logged_at = now;
  parts.log.write(
      LogLevel::kWarn, "auth",
      fmt::format("source {} cannot be asked: {}; {}", source.settings.name, answer.reason,
                  source.settings.on_error == config::SourceLoss::kDeny
                      ? "keys that only it knows are refused"
                      : "answers from before hold on"));
}

void KeyLookups::State::answer(ShardId shard, const Flight& flight,
                               std::vector<auth::SourceSaid> said) {
  const auto port = std::ranges::find(parts.ports, shard, &KeyPort::shard);
  if (port == parts.ports.end()) return;
  auto answered = std::make_unique<auth::LookupAnswered>();
  answered->digest = flight.question.digest;
  answered->generation = flight.generation;
  answered->said = std::move(said);
  port->send(std::move(answered));
}

KeyLookups::KeyLookups(Parts parts)
    : parts_(parts), state_(std::make_unique<State>(parts_, crypto::RandomSource().next_u64())) {}

KeyLookups::~KeyLookups() { SLUICE_ASSERT(is_quiet()); }

void KeyLookups::follow(const config::AuthSettings& settings, uint64_t generation) {
  state_->mode = settings.mode;
  state_->wait_max = settings.wait_max;
  state_->generation = generation;
  state_->follow(settings);
}

void KeyLookups::on_asked(ShardId shard, auth::KeyAsked asked) {
  State& state = *state_;
  const FlightKey key{state.generation, asked.question.digest, asked.sources_end};
  if (const auto known = state.flights.find(key); known != state.flights.end()) {
    known->second->shards.push_back(shard);
    crypto::wipe(asked.question.secret.data(), asked.question.secret.size());
    return;
  }
  auto flight = std::make_unique<Flight>();
  flight->question = std::move(asked.question);
  flight->sources_end = asked.sources_end;
  flight->generation = state.generation;
  flight->mode = state.mode;
  flight->deadline = Deadline::after(parts_.ring.now(), state.wait_max);
  flight->shards.push_back(shard);
  const size_t end = std::min<size_t>(asked.sources_end, state.sources.size());
  for (uint32_t i = 0; i < end; ++i) {
    if (state.sources[i] != nullptr) flight->sources.emplace_back(i, state.sources[i].get());
  }
  if (state.flights.size() >= kFlightsMost || state.is_ending) {
    std::vector<auth::SourceSaid> said;
    for (const auto& [index, source] : flight->sources) {
      said.push_back({.source = index, .answer = failed("too many keys are being asked about")});
    }
    state.answer(shard, *flight, std::move(said));
    return;
  }
  for (const auto& [index, source] : flight->sources) ++source->flights;
  state.flights.emplace(key, flight.get());
  io::start_detached(state.fly(std::move(flight), state.inside.enter()));
}

bool KeyLookups::is_busy() const noexcept { return state_->inside.inside() > 0; }

bool KeyLookups::is_quiet() const noexcept {
  const auto is_there = [](const auto& source) { return source != nullptr; };
  return !is_busy() && std::ranges::none_of(state_->sources, is_there);
}

Task<void> KeyLookups::end() {
  State& state = *state_;
  state.is_ending = true;
  for (auto& source : std::exchange(state.sources, {})) {
    if (source != nullptr) state.leave(std::move(source));
  }
  for (AskedSource* source : state.leaving) source->left.trigger();
  // A driver that looks up a name cannot be interrupted.
  io::Timer patience(parts_.ring.ready(), parts_.ring.timers());
  patience.set(Deadline::after(parts_.ring.now(), kEndTime));
  while (is_busy() && !patience.is_ready()) {
    state.inside.emptied().reset();
    co_await io::first_of(&state.inside.emptied(), &patience);
  }
}

}  // namespace sluice::control
