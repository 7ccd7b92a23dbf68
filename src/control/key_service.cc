#include <sluice/control/key_service.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace sluice::control {

KeyService::KeyService(Parts parts)
    : ports_(parts.ports),
      desk_({parts.ring, parts.returns, parts.registry, parts.log, parts.ports, parts.observer}) {
  if (parts.resolver == nullptr) return;
  lookups_.emplace(KeyLookups::Parts{parts.ring, parts.returns, *parts.resolver, parts.registry,
                                     parts.log, parts.ports});
}

void KeyService::follow(const config::AuthSettings& settings, uint64_t generation) {
  generation_ = generation;
  if (lookups_) lookups_->follow(settings, generation);
}

bool KeyService::has_work() const noexcept {
  return std::any_of(ports_.begin(), ports_.end(),
                     [](const KeyPort& port) { return port.has_report(); });
}

void KeyService::run() {
  for (KeyPort& port : ports_) {
    while (auto report = port.take_report()) obey(port, *report);
    // A shard that speaks has most likely made room.
    if (port.has_waiting()) port.flush();
  }
}

void KeyService::obey(KeyPort& port, auth::KeyReport& report) {
  if (const auto* adopted = std::get_if<auth::DirectoryAdopted>(&report)) {
    desk_.on_adopted(port.shard(), adopted->version);
  } else if (auto* asked = std::get_if<std::unique_ptr<auth::KeyAsked>>(&report)) {
    if (lookups_ && !is_over_) {
      lookups_->on_asked(port.shard(), std::move(**asked));
    } else {
      refuse(port, **asked);
    }
  }
}

void KeyService::refuse(KeyPort& port, const auth::KeyAsked& asked) const {
  auto answered = std::make_unique<auth::LookupAnswered>();
  answered->digest = asked.question.digest;
  answered->generation = generation_;
  for (uint32_t source = 0; source < asked.sources_end; ++source) {
    auth::KeyAnswer answer;
    answer.reason = "nobody is there to ask it";
    answered->said.push_back({source, std::move(answer)});
  }
  port.send(std::move(answered));
}

void KeyService::flush() {
  for (KeyPort& port : ports_) port.flush();
}

Task<void> KeyService::end() {
  is_over_ = true;
  // First what waits for shards only: the other end may take as long as a source does.
  co_await desk_.end();
  if (lookups_) co_await lookups_->end();
}

}  // namespace sluice::control
