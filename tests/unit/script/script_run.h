// Runs a script once and gives its outcome; what the tests of a script share.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include <sluice/script/hook.h>

namespace sluice::script {

using Verdict = HookOutcome::Verdict;

// Stands still, or moves by `step` each time it is read.
class StepClock final : public Clock {
 public:
  [[nodiscard]] MonoTime now() noexcept override { return now_ += step; }
  [[nodiscard]] WallTime wall() noexcept override { return {}; }
  Duration step{0};

 private:
  MonoTime now_{seconds(1000)};
};

inline constexpr std::array<Field, 3> kHeaders = {
    {{"Accept", "*/*"}, {"X-Team", "blue"}, {"X-Team", "red"}}};

inline RequestView sample_request() {
  return {.method = "POST",
          .path = "/v1/chat/completions",
          .client_address = "192.0.2.7",
          .request_id = "id-1",
          .headers = kHeaders,
          .api_key = "sk-abcd...",
          .key_id = "k1",
          .key_name = "build",
          .tenant = "acme",
          .model = "m",
          .is_stream = true,
          .data = R"({"status":0,"tags":["a","b"],"deep":{"x":1.5,"none":null}})",
          .metadata = R"({"user_id":"u1"})",
          .now = {1'750'000'000'123'456}};
}

struct ScriptRun {
  StepClock clock;
  HookLimits limits;
  HookKind kind = HookKind::kOnRequest;
  RequestView request = sample_request();
  std::unique_ptr<Hooks> hooks;

  void load(std::string_view source) {
    const Hooks::Script script{kind, "s.lua", std::string(source)};
    auto made = Hooks::make({&script, 1}, limits, clock);
    ASSERT_TRUE(made) << made.error();
    hooks = std::move(*made);
  }
  HookOutcome again(const ResponseView* response = nullptr) {
    return hooks->run(kind, request, response);
  }
  HookOutcome operator()(std::string_view source, const ResponseView* response = nullptr) {
    load(source);
    return hooks == nullptr ? HookOutcome{} : again(response);
  }
};

// The script must return true.
inline void expect_true(std::string_view source) {
  ScriptRun run;
  const HookOutcome outcome = run(source);
  EXPECT_EQ(outcome.verdict, Verdict::kAllow) << source << "\n" << outcome.message;
}

// The script must throw, with `part` in the message.
inline void expect_error(std::string_view source, std::string_view part) {
  ScriptRun run;
  const HookOutcome outcome = run(source);
  EXPECT_EQ(outcome.verdict, Verdict::kError) << source;
  EXPECT_TRUE(outcome.message.contains(part)) << source << "\n" << outcome.message;
}

}  // namespace sluice::script
