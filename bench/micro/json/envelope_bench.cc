// What does finding the envelope of a chat request cost? Bounds: 8 KB about 2 us, 300 KB 60 us.
#include <benchmark/benchmark.h>

#include <string>

#include <sluice/json/edit.h>
#include <sluice/json/envelope_reader.h>

namespace sluice::json {
namespace {

// A conversation of about `bytes`, with an escape in every line as prompts have.
std::string chat_body(size_t bytes, size_t message_bytes) {
  static constexpr std::string_view kLine =
      "The quick brown fox said \\\"jump\\\" and the lazy dog, as ever, did nothing at all.\\n";
  std::string body = R"({"temperature":0.7,"messages":[)";
  for (size_t messages = 0; body.size() < bytes; ++messages) {
    if (messages > 0) body += ',';
    body += R"({"role":"user","content":")";
    for (size_t length = 0; length < message_bytes && body.size() < bytes; length += kLine.size()) {
      body += kLine;
    }
    body += "\"}";
  }
  return body + R"(],"max_tokens":256,"stream":true,"model":"gpt-4o"})";
}

void read_envelope(benchmark::State& state) {
  std::string body =
      chat_body(static_cast<size_t>(state.range(0)), static_cast<size_t>(state.range(1)));
  const size_t size = body.size();
  body.append(EnvelopeReader::kPadding, '\0');
  EnvelopeReader reader;
  for (auto _ : state) {
    auto envelope = reader.read({body.data(), size}, 128);
    if (!envelope) return state.SkipWithError("refused");
    benchmark::DoNotOptimize(envelope);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * size));
}
BENCHMARK(read_envelope)
    ->ArgNames({"bytes", "message"})
    ->Args({700, 600})
    ->Args({1024, 400})
    ->Args({8 * 1024, 400})
    ->Args({10 * 1024, 400})
    ->Args({300 * 1024, 400})
    ->Args({300 * 1024, 300 * 1024});

// Text outside of ASCII as many clients write it: every character an escape of six bytes.
void read_unicode_escapes(benchmark::State& state) {
  std::string body = R"({"model":"gpt-4o","messages":[{"role":"user","content":")";
  while (body.size() < static_cast<size_t>(state.range(0))) body += "\\u4f60\\u597d";
  body += "\"}]}";
  const size_t size = body.size();
  body.append(EnvelopeReader::kPadding, '\0');
  EnvelopeReader reader;
  for (auto _ : state) {
    auto envelope = reader.read({body.data(), size}, 128);
    if (!envelope) return state.SkipWithError("refused");
    benchmark::DoNotOptimize(envelope);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * size));
}
BENCHMARK(read_unicode_escapes)->Arg(10 * 1024);

void plan_both_edits(benchmark::State& state) {
  std::string body = chat_body(1024, 400);
  const size_t size = body.size();
  body.append(EnvelopeReader::kPadding, '\0');
  EnvelopeReader reader;
  const auto envelope = reader.read({body.data(), size}, 128);
  if (!envelope) return state.SkipWithError("refused");
  for (auto _ : state) {
    BodyPlan plan = plan_body({body.data(), size}, *envelope, {"\"upstream\"", true});
    benchmark::DoNotOptimize(plan);
  }
}
BENCHMARK(plan_both_edits);

}  // namespace
}  // namespace sluice::json

BENCHMARK_MAIN();
