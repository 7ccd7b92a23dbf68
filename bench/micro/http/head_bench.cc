// What does reading or writing a typical head cost? Bounds: 250 ns to read a request of 12 fields
// and 500 bytes, 200 ns to write one to the upstream.
#include <sluice/http/request_parser.h>
#include <sluice/http/response_parser.h>
#include <sluice/http/serializer.h>

#include <benchmark/benchmark.h>

#include <array>
#include <string>

namespace sluice::http {
namespace {

const std::string kRequest =
    "POST /v1/chat/completions HTTP/1.1\r\n"
    "Host: gateway.example.com:8080\r\n"
    "Accept: application/json\r\n"
    "Accept-Encoding: gzip, deflate\r\n"
    "Connection: keep-alive\r\n"
    "Authorization: Bearer sk-0123456789abcdef0123456789abcdef0123456789\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 1834\r\n"
    "User-Agent: OpenAI/Python 1.99.9\r\n"
    "X-Stainless-Lang: python\r\n"
    "X-Stainless-Runtime-Version: 3.11.2\r\n"
    "X-Stainless-Retry-Count: 0\r\n"
    "X-Request-Id: 7b0e6c1e-8d6f-4f0a-9f6b-2d9c1e3a5b7c\r\n"
    "\r\n";

const std::string kResponse =
    "HTTP/1.1 200 OK\r\n"
    "date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    "server: uvicorn\r\n"
    "content-type: text/event-stream; charset=utf-8\r\n"
    "x-request-id: 7b0e6c1e8d6f4f0a9f6b2d9c1e3a5b7c\r\n"
    "transfer-encoding: chunked\r\n"
    "\r\n";

void parse_request_head(benchmark::State& state) {
  RequestParser parser({});
  for (auto _ : state) {
    parser.reset();
    if (parser.parse(kRequest) != ParseState::kDone) state.SkipWithError("refused");
    benchmark::DoNotOptimize(parser.head());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kRequest.size()));
}
BENCHMARK(parse_request_head);

void parse_response_head(benchmark::State& state) {
  ResponseParser parser({});
  for (auto _ : state) {
    parser.reset(AnswerTo::kOther);
    if (parser.parse(kResponse) != ParseState::kDone) state.SkipWithError("refused");
    benchmark::DoNotOptimize(parser.head());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kResponse.size()));
}
BENCHMARK(parse_response_head);

// Every field of the client that may go on.
void forward_request_head(benchmark::State& state) {
  RequestParser parser({});
  if (parser.parse(kRequest) != ParseState::kDone) state.SkipWithError("refused");
  std::array<char, 1024> out;
  for (auto _ : state) {
    const RequestHead& head = parser.head();
    const ConnectionOptions connection(head.headers);
    HeadWriter writer(out);
    writer.request_line(head.method_text, head.target);
    for (const HeaderField field : head.headers) {
      if (!is_hop_by_hop(field, connection)) writer.any_header(field.name, field.value);
    }
    writer.end();
    benchmark::DoNotOptimize(writer.text().data());
  }
}
BENCHMARK(forward_request_head);

// The fields that exchange itself sends to an upstream.
void write_upstream_head(benchmark::State& state) {
  std::array<char, 1024> out;
  for (auto _ : state) {
    HeadWriter writer(out);
    writer.request_line("POST", "/v1/chat/completions").header("host", "gpu-rack-7.internal:8000");
    writer.header("content-type", "application/json").header("accept", "*/*").content_length(1834);
    writer.header("authorization", "Bearer sk-0123456789abcdef0123456789abcdef0123456789");
    writer.header("x-request-id", "7b0e6c1e-8d6f-4f0a-9f6b-2d9c1e3a5b7c").end();
    if (!writer.ok()) return state.SkipWithError("refused");
    benchmark::DoNotOptimize(writer.text().data());
  }
}
BENCHMARK(write_upstream_head);

void write_response_head(benchmark::State& state) {
  std::array<char, 1024> out;
  for (auto _ : state) {
    HeadWriter writer(out);
    writer.status_line(200).header("x-request-id", "7b0e6c1e-8d6f-4f0a-9f6b-2d9c1e3a5b7c");
    writer.header("content-type", "text/event-stream; charset=utf-8");
    writer.header("cache-control", "no-cache").header("x-accel-buffering", "no").chunked().end();
    if (!writer.ok()) return state.SkipWithError("refused");
    benchmark::DoNotOptimize(writer.text().data());
  }
}
BENCHMARK(write_response_head);

}  // namespace
}  // namespace sluice::http
