// P13: recorded exchanges on one shard, for bench/cost to count their instructions under callgrind.
//
// callgrind counts within the counted turns and pauses within OutsideKernel.
// SLUICE_UNITS in the environment says how many exchanges or events are counted.
#include <cstdlib>

#include <valgrind/callgrind.h>

#include "outside_kernel.h"
#include "stage.h"

namespace sluice::sim {
namespace {

// Switches the count while it lives; a few instructions of its own are counted with it.
struct Switch {
  Switch() noexcept { CALLGRIND_TOGGLE_COLLECT; }
  ~Switch() { CALLGRIND_TOGGLE_COLLECT; }
};

bool turn_is_counted = false;  // Whether the turn under way is.

// Within a counted turn the count stops for as long as this lives.
struct Pause {
  Pause() noexcept { toggle(); }
  ~Pause() { toggle(); }
  static void toggle() noexcept {
    if (turn_is_counted) CALLGRIND_TOGGLE_COLLECT;
  }
};

size_t units() {
  const char* text = std::getenv("SLUICE_UNITS");
  return text == nullptr ? 10 : std::strtoul(text, nullptr, 10);
}

// Asks for the next as soon as an answer is there: a shard with nothing to do waits for its timers.
class BusyClient final : public support::SimPeer {
 public:
  using SimPeer::SimPeer;
  void begin(std::string request, size_t times) {
    request_ = std::move(request);
    left_ = times;
    ask();
  }
  AnswerReader reader;

 private:
  void on_bytes(std::string_view bytes) override {
    const size_t before = reader.complete_count();
    reader.take(bytes);
    if (reader.complete_count() != before && left_ > 0) ask();
  }
  void ask() {
    --left_;
    reader.expect();
    send(request_);
  }

  std::string request_;
  size_t left_ = 0;
};

class Instructions : public Stage {
 protected:
  static constexpr size_t kWarmUp = 50;
  static constexpr size_t kBurst = 50;

  Instructions()
      : Stage(ShardOptions{.config = "upstreams:\n"
                                     "  - {name: a, url: 'http://10.0.1.1:8000',"
                                     " private_addresses: true}\n"
                                     "models:\n"
                                     "  - {name: m, routes: [{upstream: a}]}\n"
                                     "keys:\n"
                                     "  - {name: bench, secret: sk-bench-0123456789abcdef,"
                                     " limits: {requests_per_minute: 1000M,"
                                     " tokens_per_minute: 100000M}}\n",
                           .merges = false,
                           .wrap_kernel = [](io::Kernel& kernel) {
                             return std::make_unique<OutsideKernel<Pause>>(kernel);
                           }}) {}

  void turn(bool is_counted) {
    turn_is_counted = is_counted;
    if (is_counted) {
      const Switch on;
      shard.ring().turn();
    } else {
      shard.ring().turn();
    }
    turn_is_counted = false;
  }
  // As many exchanges one after the other, with the warm-up in front.
  void run_exchanges(const std::string& bytes) {
    BusyClient& c = shard.world().connect<BusyClient>(ShardWorld::address());
    c.begin(bytes, kWarmUp + units() + 1);  // The last keeps the turn before it from waiting.
    while (c.reader.complete_count() < kWarmUp) turn(false);
    begin_ = now();
    while (c.reader.complete_count() < kWarmUp + units()) turn(true);
    expect_all_served(c.reader, kWarmUp + units() + 1);
    c.close();
    shard.expect_clean_end();
  }
  // A refusal would be complete too, and cheap; so would a turn that waits for a timer.
  void expect_all_served(const AnswerReader& reader, size_t answers) {
    EXPECT_LE(now() - begin_, milliseconds(1) * units());
    EXPECT_TRUE(run_until([&] { return reader.complete_count() == answers; }));
    EXPECT_EQ(upstreams.size(), 1u);
    for (const auto& each : reader.answers()) EXPECT_EQ(each.status, 200);
  }
  void serve_always(const std::string& bytes) {
    shard.world().serve(a(), [this, bytes]() -> support::SimPeer& {
      auto& upstream = shard.world().adopt<StageUpstream>();
      upstreams.push_back(&upstream);
      upstream.when_bytes = [&upstream, bytes](std::string_view) { upstream.send(bytes); };
      return upstream;
    });
  }

  // As bench/compare asks: a body of 700 bytes.
  static std::string request(std::string_view members) {
    std::string body = "{\"model\":\"m\"," + std::string(members) +
                       "\"messages\":[{\"role\":\"user\",\"content\":\"";
    while (body.size() < 700 - 4) body += "lorem ipsum "[body.size() % 12];
    return post(body + "\"}]}",
                "content-type: application/json\r\n"
                "authorization: Bearer sk-bench-0123456789abcdef\r\n");
  }
  static std::string unary_answer() {
    std::string body =
        R"({"id":"chatcmpl-1","object":"chat.completion","created":1760000000,"model":"canned",)"
        R"("choices":[{"index":0,"message":{"role":"assistant","content":")";
    const std::string_view after =
        R"("},"finish_reason":"stop"}],"usage":{"prompt_tokens":160,"completion_tokens":60}})";
    while (body.size() + after.size() < 540) body += "word "[body.size() % 5];
    return answer(body + std::string(after));
  }
  static std::string event_chunk() {
    std::string event =
        R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1760000000,)"
        R"("model":"canned","choices":[{"index":0,"delta":{"content":")";
    const std::string_view after = "\"},\"finish_reason\":null}]}\n\n";
    while (event.size() + after.size() < 240) event += "word "[event.size() % 5];
    return chunk(event + std::string(after));
  }

  MonoTime begin_;  // Of what is counted.
};

TEST_F(Instructions, p013_unary_exchange) {
  serve_always(unary_answer());
  run_exchanges(request(""));
}

TEST_F(Instructions, p013_stream_of_50_events_in_one_write) {
  std::string stream(kStreamHead);
  for (size_t i = 0; i < kBurst; ++i) stream += event_chunk();
  serve_always(stream + chunk("data: [DONE]\n\n") + "0\r\n\r\n");
  run_exchanges(request("\"stream\":true,"));
}

// The same as upstreams answer when we have asked for the usage: the client does not get its event.
TEST_F(Instructions, p013_stream_of_50_events_and_the_usage) {
  std::string stream(kStreamHead);
  for (size_t i = 0; i < kBurst; ++i) stream += event_chunk();
  stream +=
      chunk(R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1760000000,)"
            R"("model":"canned","choices":[],)"
            R"("usage":{"prompt_tokens":160,"completion_tokens":60,"total_tokens":220}})"
            "\n\n");
  serve_always(stream + chunk("data: [DONE]\n\n") + "0\r\n\r\n");
  run_exchanges(request("\"stream\":true,"));
}

TEST_F(Instructions, p013_event_that_comes_alone) {
  serve(a());
  StageClient& c = client();
  c.ask(request("\"stream\":true,"));
  ASSERT_TRUE(run_until_asked());
  const std::string event = event_chunk();
  upstreams[0]->send(std::string(kStreamHead) + event);
  ASSERT_TRUE(run_until([&] { return c.received().ends_with(event); }));
  const size_t before = c.received().size();
  // One turn for what came, and one for the end of its sending.
  const auto relay_one = [&](bool is_counted) {
    upstreams[0]->send(event);
    turn(is_counted);
    turn(is_counted);
  };
  for (size_t i = 0; i < kWarmUp; ++i) relay_one(false);
  begin_ = now();
  for (size_t i = 0; i < units(); ++i) relay_one(true);
  EXPECT_GE(c.received().size(), before + (kWarmUp + units() - 1) * event.size());
  upstreams[0]->send("0\r\n\r\n");
  expect_all_served(c.reader, 1);
  c.close();
  shard.expect_clean_end();
}

}  // namespace
}  // namespace sluice::sim
