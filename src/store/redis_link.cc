#include "redis_link.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <sluice/base/assert.h>

namespace sluice::store {
namespace {

// A connection that lived shorter does not make the next pause short again.
constexpr Duration kSteadyAfter = seconds(2);

// Answers that say that this server is not the one to write to any more.
bool ends_connection(RedisFault fault) noexcept {
  return fault == RedisFault::kReadOnly || fault == RedisFault::kMasterDown ||
         fault == RedisFault::kLoading || fault == RedisFault::kNoAuth;
}

}  // namespace

RedisLink::RedisLink(WireParts& parts, RedisFigures& figures, LinkOwner& owner,
                     RedisEndpoint endpoint, Finder* finder)
    : parts_(parts),
      owner_(owner),
      endpoint_(std::move(endpoint)),
      finder_(finder),
      log_(parts.log),
      pipeline_(figures),
      gone_(parts.ring.ready()),
      wake_(parts.ring.ready()),
      silence_(parts.ring.ready(), parts.ring.timers()),
      pause_(parts.ring.ready(), parts.ring.timers()) {}

RedisLink::~RedisLink() { SLUICE_ASSERT(state_ == State::kNew || state_ == State::kOver); }

void RedisLink::start(shard::Gate& gate) {
  state_ = State::kConnecting;
  io::start_detached(run(gate.enter()));
}

void RedisLink::end() noexcept { gone_.trigger(); }

void RedisLink::submit(Parcel parcel) {
  PendingCall& call = *parcel.call;
  const size_t index = parcel.index;
  if (is_ending()) {
    call.settle(index, fail(ErrorCode::kCancelled, Side::kSelf, Retry::kYes, "Redis is left"));
    return;
  }
  if (state_ != State::kUp && state_ != State::kConnecting) {
    call.settle(index, fail(ErrorCode::kIo, Side::kSelf, Retry::kYes, "Redis is not connected"));
    return;
  }
  call.slots[index].asked = endpoint_;
  if (!pipeline_.add(std::move(parcel))) {
    call.settle(index, fail(ErrorCode::kOverloaded, Side::kSelf, Retry::kYes,
                            "too many commands wait for Redis"));
    return;
  }
  wake_.trigger();
}

void RedisLink::leave(std::string reason) {
  if (state_ != State::kUp || is_left_) return;
  is_left_ = true;
  fault_ = {.text = std::move(reason)};
  wake_.trigger();
}

void RedisLink::withdraw(PendingCall& call) {
  pipeline_.withdraw(call);
  if (pipeline_.has_overdue() && silence_.deadline().is_never()) watch_silence();
}

void RedisLink::watch_silence() {
  silence_.set(pipeline_.has_overdue()
                   ? Deadline::after(parts_.ring.now(), RedisClient::kSilenceMost)
                   : Deadline::never());
}

Duration RedisLink::next_pause() {
  const Duration most = backoff_;
  backoff_ = std::min(backoff_ * 2, RedisClient::kBackoffMax);
  const auto range = static_cast<uint64_t>(most.count());
  return Duration(static_cast<int64_t>(parts_.next_random() % range));
}

std::string RedisLink::name() const {
  if (!endpoint_.host.empty()) return to_text(endpoint_);
  return fmt::format("master `{}`", parts_.options.master);
}

std::string RedisLink::who() const {
  const RedisOptions& options = parts_.options;
  std::string text = fmt::format(
      "as {}", options.username.empty() ? std::string_view("default") : options.username);
  if (options.database != 0) text += fmt::format(", database {}", options.database);
  return text;
}

Task<WireResult<ServerIdentity>> RedisLink::connect() {
  if (finder_ != nullptr) {
    WireResult<RedisEndpoint> found = co_await finder_->find(gone_);
    if (!found) co_return std::unexpected(std::move(found.error()));
    endpoint_ = *std::move(found);
  }
  const Deadline deadline = Deadline::after(parts_.ring.now(), RedisClient::kConnectTime);
  auto wire = co_await open_wire(parts_, endpoint_, deadline, gone_);
  if (!wire) co_return std::unexpected(std::move(wire.error()));
  auto identity = co_await greet(parts_, **wire, deadline, gone_);
  if (!identity) {
    co_await (*wire)->stream.close();
    co_return std::unexpected(std::move(identity.error()));
  }
  wire_ = *std::move(wire);
  co_return *std::move(identity);
}

Task<void> RedisLink::run(shard::Gate::Pass) {
  io::Ring& ring = parts_.ring;
  while (!is_ending()) {
    state_ = State::kConnecting;
    WireResult<ServerIdentity> identity = co_await connect();
    if (identity) {
      const MonoTime begun = ring.now();
      identity_ = *std::move(identity);
      fault_ = {};
      is_left_ = false;
      state_ = State::kUp;
      log_.note_up(begun, name(), who(), identity_);
      owner_.on_up(*this);
      co_await serve();
      co_await wire_->stream.close();
      wire_.reset();
      if (ring.now() - begun >= kSteadyAfter) backoff_ = RedisClient::kBackoffMin;
      if (!is_ending()) log_.note_lost(ring.now(), name(), fault_);
    } else if (!is_ending()) {
      log_.note_failure(ring.now(), name(), identity.error());
    }
    state_ = State::kPausing;
    silence_.clear();
    owner_.on_down(*this);
    if (is_ending()) break;
    pipeline_.fail_all(ErrorCode::kIo, "the connection to Redis was lost");
    pause_.set(Deadline::after(ring.now(), next_pause()));
    co_await io::first_of(&pause_, &gone_);
  }
  pause_.clear();
  pipeline_.fail_all(ErrorCode::kCancelled, "Redis is left");
  state_ = State::kOver;
}

void RedisLink::start_send() {
  if (wire_->stream.is_sending() || wire_->stream.sent().is_ready()) return;
  if (!pipeline_.take_unsent(sending_)) return;
  const std::string_view slices[] = {sending_};
  wire_->stream.start_send(slices);
}

Task<void> RedisLink::serve() {
  net::Stream& stream = wire_->stream;
  while (!is_left_) {
    wake_.reset();
    start_send();
    stream.start_receive();
    co_await io::first_of(&stream.received(), &stream.sent(), &wake_, &silence_, &gone_);
    if (is_ending()) break;
    if (stream.sent().is_ready()) {
      if (const Result<void> sent = stream.take_sent(); !sent) {
        fault_.text = std::string(sent.error().detail);
        break;
      }
    }
    if (stream.received().is_ready()) {
      if (!take_received()) break;
    } else if (silence_.is_ready()) {
      fault_.text = "it does not answer any more";
      break;
    }
  }
}

bool RedisLink::take_received() {
  const Result<io::Buffer> received = wire_->stream.take_received();
  if (!received || received->is_empty()) {
    fault_.text = received ? "it closed the connection" : std::string(received.error().detail);
    return false;
  }
  wire_->reader.feed(received->bytes());
  const bool is_good = take_replies();
  watch_silence();
  return is_good;
}

bool RedisLink::take_replies() {
  bool is_good = true;
  for (;;) {
    auto reply = wire_->reader.next();
    if (!reply) {
      fault_.text = std::string(reply.error());
      return false;
    }
    if (!*reply) return is_good;
    const RedisFault fault = fault_of(**reply);
    if (ends_connection(fault)) {
      fault_ = {.text = std::string(advice_on(fault)), .is_of_configuration = false};
      is_good = false;
    }
    if (!pipeline_.take_reply(*std::move(*reply))) {
      fault_.text = "it says what it was not asked";
      return false;
    }
  }
}

}  // namespace sluice::store
