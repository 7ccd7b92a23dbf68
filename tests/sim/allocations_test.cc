// P12: a warm exchange allocates nothing from the heap on its shard.
#include "counted_new.h"

#include "outside_kernel.h"
#include "stage.h"

// The program is linked with --wrap for these, so that blocks taken without `new` count too.
extern "C" {
void* __real_malloc(size_t bytes);
void* __real_calloc(size_t count, size_t bytes);
void* __real_realloc(void* block, size_t bytes);

void* __wrap_malloc(size_t bytes) {
  ++sluice::support::allocations;
  return __real_malloc(bytes);
}
void* __wrap_calloc(size_t count, size_t bytes) {
  ++sluice::support::allocations;
  return __real_calloc(count, bytes);
}
void* __wrap_realloc(void* block, size_t bytes) {
  ++sluice::support::allocations;
  return __real_realloc(block, bytes);
}
}

namespace sluice::sim {
namespace {

// What is allocated while one lives is not the shard's.
class Pause {
 public:
  Pause() noexcept : before_(support::allocations) {}
  ~Pause() { support::allocations = before_; }
  Pause(const Pause&) = delete;
  Pause& operator=(const Pause&) = delete;

 private:
  uint64_t before_;
};

class Allocations : public Stage {
 protected:
  Allocations()
      : Stage(ShardOptions{.config = std::string(kConfig) +
                                     "rate_limits:\n"
                                     "  - {name: all, per: gateway, requests_per_minute: 1000M,"
                                     " tokens_per_minute: 1000M, concurrency: 1000}\n",
                           .merges = false,
                           .wrap_kernel = [](io::Kernel& kernel) {
                             return std::make_unique<OutsideKernel<Pause>>(kernel);
                           }}) {}

  // Turns until `is_done()`; the number of allocations within the turns.
  uint64_t count_until(const std::function<bool()>& is_done) {
    uint64_t counted = 0;
    while (!is_done() && !shard.world().kernel().is_stuck()) {
      const uint64_t before = support::allocations;
      shard.ring().turn();
      counted += support::allocations - before;
    }
    EXPECT_TRUE(is_done());
    return counted;
  }
  // For bench/cost, which reads it from the test's report.
  static void record(uint64_t counted, size_t units) {
    RecordProperty("allocations", static_cast<int>(counted));
    RecordProperty("units", static_cast<int>(units));
  }
  void serve_whole_answers(const std::string& bytes) {
    shard.world().serve(a(), [this, bytes]() -> support::SimPeer& {
      auto& upstream = shard.world().adopt<StageUpstream>();
      upstreams.push_back(&upstream);
      upstream.when_bytes = [&upstream, bytes](std::string_view) { upstream.send(bytes); };
      return upstream;
    });
  }
};

TEST_F(Allocations, the_count_sees_them) {
  const uint64_t before = support::allocations;
  ByteBudget budget(1u << 20);
  io::BlockPool blocks(budget);
  const io::Block block = blocks.take(10);
  EXPECT_GE(support::allocations - before, 1u);
  const uint64_t between = support::allocations;
  const std::vector<int>* volatile numbers = new std::vector<int>(10);
  EXPECT_GE(support::allocations - between, 2u);
  delete numbers;
}

TEST_F(Allocations, p012_a_warm_unary_exchange_allocates_nothing) {
  serve_whole_answers(answer("{\"id\":\"x\",\"usage\":{\"prompt_tokens\":1}}"));
  StageClient& c = client();
  const std::string request = post(kUnary);
  const auto exchange = [&](size_t number) {
    c.ask(request);
    return count_until([&] { return c.reader.complete_count() == number; });
  };
  constexpr size_t kWarmUp = 20, kCounted = 200;
  for (size_t i = 1; i <= kWarmUp; ++i) exchange(i);
  uint64_t counted = 0;
  for (size_t i = kWarmUp + 1; i <= kWarmUp + kCounted; ++i) counted += exchange(i);
  record(counted, kCounted);
  EXPECT_EQ(counted, 0u);
  EXPECT_EQ(upstreams.size(), 1u);
  c.close();
  shard.expect_clean_end();
}

TEST_F(Allocations, p012_a_request_of_a_limited_address_allocates_nothing) {
  shard.adopt(std::string(kConfig) +
              "trusted_proxies: [10.0.0.0/8]\n"
              "rate_limits:\n  - {name: flood, per: ip, requests_per_minute: 1000}\n");
  serve_whole_answers(answer("{}"));
  StageClient& c = client();
  const std::string request = post(kUnary, "x-forwarded-for: 192.0.2.1, 10.1.1.1\r\n");
  uint64_t counted = 0;
  for (size_t i = 1; i <= 200; ++i) {
    c.ask(request);
    const uint64_t here = count_until([&] { return c.reader.complete_count() == i; });
    if (i > 20) counted += here;
  }
  record(counted, 180);
  EXPECT_EQ(counted, 0u);
  EXPECT_EQ(shard.world().syscalls().peer_addresses(), 1u);
  c.close();
  shard.expect_clean_end();
}

TEST_F(Allocations, p012_a_warm_stream_allocates_nothing) {
  std::string stream(kStreamHead);
  for (int i = 0; i < 10; ++i) stream += chunk(kEvent);
  serve_whole_answers(stream + "0\r\n\r\n");
  StageClient& c = client();
  const std::string request = post(kStream);
  uint64_t counted = 0;
  for (size_t i = 1; i <= 200; ++i) {
    c.ask(request);
    const uint64_t here = count_until([&] { return c.reader.complete_count() == i; });
    if (i > 20) counted += here;
  }
  record(counted, 180);
  EXPECT_EQ(counted, 0u);
  c.close();
  shard.expect_clean_end();
}

TEST_F(Allocations, p012_a_relayed_event_allocates_nothing) {
  serve(a());
  StageClient& c = client();
  c.ask(post(kStream));
  ASSERT_TRUE(run_until_asked());
  upstreams[0]->send(std::string(kStreamHead) + chunk(kEvent));
  const std::string event = chunk(kEvent);
  const auto relay_one = [&] {
    const size_t before = c.received().size();
    upstreams[0]->send(event);
    return count_until([&] { return c.received().size() >= before + event.size(); });
  };
  for (int i = 0; i < 20; ++i) relay_one();
  uint64_t counted = 0;
  for (int i = 0; i < 500; ++i) counted += relay_one();
  record(counted, 500);
  EXPECT_EQ(counted, 0u);
  upstreams[0]->send("0\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == 1; }));
  c.close();
  shard.expect_clean_end();
}

}  // namespace
}  // namespace sluice::sim
