// What does a message into a shard cost, and looking for one in every turn? Bound: 20 ns for a
// message without the wake-up, 2 ns for the look.
#include <sluice/shard/mailbox.h>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>

namespace sluice::shard {
namespace {

constexpr uint32_t kCapacity = 256;

using Message = std::unique_ptr<uint64_t>;

// One thread plays both sides, so the passing of cache lines between cores is not in it. Argument:
// messages that wait together.
void push_and_pop(benchmark::State& state) {
  Mailbox<Message> mailbox(kCapacity);
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(0); ++i) {
      if (!mailbox.push(Message())) return state.SkipWithError("full");
    }
    while (auto popped = mailbox.pop()) benchmark::DoNotOptimize(*popped);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(push_and_pop)->ArgName("messages")->Arg(1)->Arg(64);

void look_into_an_empty_one(benchmark::State& state) {
  const Mailbox<Message> mailbox(kCapacity);
  for (auto _ : state) benchmark::DoNotOptimize(mailbox.has_message());
}
BENCHMARK(look_into_an_empty_one);

}  // namespace
}  // namespace sluice::shard

BENCHMARK_MAIN();
