// Fields of a client's request that we act on: keys, wishes for clocks, origins of pages. A key is
// the client's own bytes, a wish moves clocks within their bounds, and no page gets in an answer
// what it sent.
#include <sluice/auth/credentials.h>
#include <sluice/base/deadline.h>
#include <sluice/config/origin_rules.h>

#include <algorithm>

#include "fuzz_pieces.h"
#include "timeout_wishes.h"  // tidy: allow(private-header) an exchange would stand before it

namespace {

using namespace sluice;
using fuzz::expect;

std::string_view take(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

void check_secret(const auth::Credentials& credentials) {
  const auto secret = auth::extract_secret(credentials);
  if (!secret) {
    expect(secret.error().code == ErrorCode::kInvalidApiKey, "a bad key is no server's fault");
    expect(secret.error().side == Side::kDownstream, "but the client's");
    return;
  }
  expect(!secret->empty() && secret->size() <= auth::kSecretBytesMax, "secrets are bounded");
  expect(std::ranges::all_of(*secret, [](char c) { return c > ' ' && c < 0x7f; }), "and visible");
  const std::string_view carrier = !credentials.authorization.empty() ? credentials.authorization
                                   : !credentials.x_api_key.empty()   ? credentials.x_api_key
                                                                      : credentials.api_key;
  expect(secret->data() + secret->size() == carrier.data() + carrier.size(),
         "the first field that is there decides, to its end");
  auth::Credentials alone{};
  alone.authorization = credentials.authorization;
  if (alone.authorization.empty()) alone.x_api_key = carrier;
  const auto again = auth::extract_secret(alone);
  expect(again && *again == *secret, "the others change nothing");
}

void check_clock(Duration configured, const std::optional<Duration>& wish, Duration applied,
                 Duration cap) {
  if (!wish) return expect(applied == configured, "without a wish a clock stays");
  expect(*wish > Duration::zero(), "no wish switches a clock off");
  expect(applied > Duration::zero() && applied <= std::max({configured, cap, *wish}),
         "a clock runs within its bounds");
  const bool is_off = configured == Duration::zero();
  expect(is_off || applied <= std::max(configured, cap), "no wish goes beyond the cap");
  expect(is_off || *wish > configured || applied == *wish, "a shorter one is heard");
  const MonoTime now(seconds(1'000'000));
  expect(!Deadline::after(now, applied).has_passed(now), "its deadline lies ahead");
}

void check_wishes(std::string_view text) {
  const auto wishes = exchange::parse_timeout_wishes(text);
  if (!wishes) return;
  for (const Duration first_token : {Duration::zero(), Duration(seconds(20))}) {
    config::UpstreamTimeouts configured;
    configured.first_token = first_token;
    const Duration cap = seconds(700);
    const auto applied = exchange::apply_wishes(configured, *wishes, cap);
    check_clock(configured.connect, wishes->connect, applied.connect, cap);
    check_clock(configured.response, wishes->response, applied.response, cap);
    check_clock(configured.first_token, wishes->first_token, applied.first_token, cap);
    check_clock(configured.idle, wishes->idle, applied.idle, cap);
    check_clock(configured.total, wishes->total, applied.total, cap);
    const bool was_short =
        exchange::had_short_clock(ErrorCode::kConnectTimeout, configured, applied, applied.connect);
    expect(was_short == (applied.connect < configured.connect), "a clock that was cut is known");
  }
  const auto twice = exchange::parse_timeout_wishes(std::string(text) + ", idle=1s, idle=2s");
  expect(!twice, "no clock is named twice");
}

void check_origin(std::string_view origin) {
  constexpr std::string_view kAllowed = "https://a.example";
  constexpr std::string_view kDenied = "https://b.example";
  for (const bool all : {false, true}) {
    config::CorsSettings settings{.enabled = true, .allow_all_origins = all};
    settings.data_origins = {.allow = {std::string(kAllowed)}, .deny = {std::string(kDenied)}};
    const config::OriginRules rules(settings, settings.data_origins);
    for (const std::string_view lines :
         {rules.answer_lines(origin), rules.preflight_lines(origin)}) {
      const bool may_read = !origin.empty() && origin != kDenied && (all || origin == kAllowed);
      expect(lines.empty() == !may_read, "just the pages that may read are answered");
      if (lines.empty()) continue;
      expect(lines.ends_with("\r\n"), "lines are whole");
      const std::string first = "access-control-allow-origin: ";
      expect(lines.starts_with(first + (all ? "*" : std::string(kAllowed)) + "\r\n"),
             "and say what the configuration says");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::vector<char> copy(bytes, bytes + size);
  std::string_view rest = fuzz::view_of(copy);
  const std::string_view authorization = take(rest);
  const std::string_view x_api_key = take(rest);
  const std::string_view api_key = take(rest);
  check_secret({authorization, x_api_key, api_key});
  check_wishes(take(rest));
  check_origin(take(rest));
  return 0;
}
