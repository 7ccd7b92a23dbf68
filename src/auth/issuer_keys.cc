#include "issuer_keys.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <sluice/base/assert.h>
#include <sluice/io/timer.h>
#include <sluice/json/value.h>

namespace sluice::auth {
namespace {

constexpr std::string_view kHttps = "https://";

std::string_view text_of(const json::Value& object, std::string_view name) noexcept {
  const json::Value* member = object.find(name);
  const std::string* text = member == nullptr ? nullptr : member->as_string();
  return text == nullptr ? std::string_view() : *text;
}

std::string discovery_url(std::string_view issuer) {
  if (issuer.ends_with('/')) issuer.remove_suffix(1);
  return std::string(issuer) + "/.well-known/openid-configuration";
}

}  // namespace

IssuerKeys::IssuerKeys(io::Ring& ring, Logger& log, KeyFetch& fetch,
                       const config::SourceSettings& settings)
    : ring_(ring),
      log_(log),
      fetch_(fetch),
      settings_(settings),
      wanted_(ring.ready()),
      stopped_(ring.ready()),
      ended_(ring.ready()) {}

IssuerKeys::~IssuerKeys() { SLUICE_ASSERT(!is_running_ && waiters_.empty()); }

void IssuerKeys::start() {
  SLUICE_ASSERT(!is_running_ && !stopped_.is_ready());
  is_running_ = true;
  io::start_detached(run());
}

Task<void> IssuerKeys::run() {
  io::Timer timer(ring_.ready(), ring_.timers());
  while (!stopped_.is_ready()) {
    wanted_.reset();
    is_fetching_ = true;
    last_begin_ = ring_.now();
    Outcome outcome = co_await fetch_set();
    is_fetching_ = false;
    if (!stopped_.is_ready()) note(std::move(outcome));
    wake_waiters();
    timer.set(next_);
    co_await io::first_of(&timer, &wanted_, &stopped_);
  }
  wake_waiters();
  is_running_ = false;
  ended_.trigger();
}

Task<IssuerKeys::Outcome> IssuerKeys::fetch_set() {
  std::string url = settings_.jwks_url;
  if (url.empty()) {
    auto found = co_await discover();
    if (!found) co_return std::unexpected(std::move(found.error()));
    url = *std::move(found);
  }
  auto document = co_await fetch_.get(url, Deadline::after(ring_.now(), kFetchMost));
  if (!document) co_return std::unexpected(std::move(document.error()));
  auto set = KeySet::parse(document->body);
  if (!set) co_return std::unexpected(fmt::format("{}: {}", url, set.error()));
  const Duration age = std::clamp(document->max_age.value_or(kAgeUnsaid), kAgeMin, kAgeMax);
  co_return Fetched{.set = *std::move(set), .age = age};
}

Task<std::expected<std::string, std::string>> IssuerKeys::discover() {
  const std::string url = discovery_url(settings_.issuer);
  auto document = co_await fetch_.get(url, Deadline::after(ring_.now(), kFetchMost));
  if (!document) co_return std::unexpected(std::move(document.error()));
  const auto value = json::parse_value(document->body, {.bytes_max = KeySet::kBytesMax});
  if (!value) co_return std::unexpected(fmt::format("{}: it is no valid JSON", url));
  if (text_of(*value, "issuer") != settings_.issuer) {
    co_return std::unexpected(fmt::format("{}: its issuer is not the configured one", url));
  }
  std::string keys(text_of(*value, "jwks_uri"));
  if (keys.empty()) co_return std::unexpected(fmt::format("{}: it has no jwks_uri", url));
  if (settings_.issuer.starts_with(kHttps) && !keys.starts_with(kHttps)) {
    co_return std::unexpected(fmt::format("{}: its jwks_uri is not https", url));
  }
  co_return keys;
}

void IssuerKeys::note(Outcome outcome) {
  if (!outcome) {
    next_ = Deadline::after(ring_.now(), kPause);
    if (std::exchange(has_failed_, true)) return;
    log_.write(LogLevel::kWarn, "auth",
               fmt::format("{}: {}; {}", settings_.name, outcome.error(),
                           set_ ? "the keys that it gave last stay in use"
                                : "no token is accepted until it answers"));
    return;
  }
  next_ = Deadline::after(ring_.now(), outcome->age);
  const bool is_news = std::exchange(has_failed_, false) || !set_;
  set_ = std::move(outcome->set);
  if (!is_news) return;
  log_.write(LogLevel::kInfo, "auth",
             fmt::format("{}: {} keys of {}", settings_.name, set_->size(), settings_.issuer));
}

void IssuerKeys::wake_waiters() {
  for (io::Event* waiter : std::exchange(waiters_, {})) waiter->trigger();
}

Task<void> IssuerKeys::refresh(Deadline deadline) {
  if (!is_running_ || stopped_.is_ready()) co_return;
  if (!is_fetching_) {
    if (last_begin_ && ring_.now() - *last_begin_ < kPause) co_return;
    wanted_.trigger();
  }
  io::Event done(ring_.ready());
  waiters_.push_back(&done);
  io::Timer timer(ring_.ready(), ring_.timers());
  timer.set(deadline);
  co_await io::first_of(&done, &timer);
  std::erase(waiters_, &done);
}

Task<void> IssuerKeys::end() {
  stopped_.trigger();
  co_await fetch_.end();
  if (is_running_) co_await io::first_of(&ended_);
}

}  // namespace sluice::auth
