// Frames behind the preface do the same whole and in pieces; every head that is told has an end,
// and no byte that was to be sent is touched once its stream is over.
#include <sluice/http/http2_session.h>
#include <sluice/http/request_parser.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using fuzz::expect;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr size_t kRoundsMax = 1000;

struct Port final : http::Http2Port {
  void on_body(std::string_view bytes) noexcept override { body += bytes; }
  void on_body_end() noexcept override { has_ended = true; }
  void on_sent() noexcept override { answer.reset(); }
  void on_closed(bool) noexcept override {
    if (!is_in_batch()) answer.reset();
  }
  std::string body;
  bool has_ended = false;
  std::unique_ptr<std::string> answer;
};

class World final : public http::Http2Observer {
 public:
  http::Http2Port* on_head(const http::Http2Head& head) noexcept override {
    story_.append(head.text).append(head.has_body ? "+" : "-");
    http::RequestParser parser({});
    expect(head.text.empty() || parser.parse(head.text) != http::ParseState::kNeedMore,
           "a head has an end");
    auto& port = ports_[head.stream];
    expect(port == nullptr, "a stream begins once");
    port = std::make_unique<Port>();
    return port.get();
  }
  void on_notice_seen() noexcept override { story_ += '!'; }

  void feed(std::string_view text) {
    const std::vector<char> copy = fuzz::copy_of(text);
    session_.feed(fuzz::view_of(copy), MonoTime(seconds(1)));
  }

  // Answers all that is open, and sends what can be sent.
  std::string end() {
    for (auto& [stream, port] : ports_) {
      // A body that breaks off may be told in part before that is seen.
      if (port->has_ended) story_.append(std::to_string(stream)).append(port->body);
      if (port->is_closed()) continue;
      if (stream % 32 == 7) {
        session_.forget(*port);
        continue;
      }
      if (stream % 16 == 5) session_.send_continue(*port);
      if (!port->has_ended) session_.widen(*port);
      port->answer = std::make_unique<std::string>(3000, 'a');
      const std::string_view slice = *port->answer;
      session_.respond(*port, 200, "x-a: b\r\n", false);
      session_.send(*port, {&slice, 1}, stream % 4 == 1);
      if (stream % 8 == 3) session_.reset(*port, false);
      session_.consume(*port, port->body.size());
    }
    if (ports_.size() % 2 == 1) session_.give_notice();
    size_t sent = gather_all();
    session_.close();
    sent += gather_all();
    return story_ + std::to_string(static_cast<int>(session_.fault())) + (sent > 0 ? "s" : "");
  }

 private:
  // Sends what can be sent; returns the sum of its bytes, each of which is looked at.
  size_t gather_all() {
    size_t sent = 0;
    std::array<std::string_view, 32> slices;
    for (size_t round = 0; round < kRoundsMax; ++round) {
      const size_t count = session_.gather(slices);
      if (count == 0) break;
      for (size_t i = 0; i < count; ++i) {
        for (const char c : slices[i]) sent += static_cast<unsigned char>(c);
      }
      session_.batch_sent();
    }
    return sent;
  }

  ByteBudget budget_{1 << 24};
  io::BlockPool blocks_{budget_};
  std::map<int32_t, std::unique_ptr<Port>> ports_;
  std::string story_;
  http::Http2Session session_{*this, blocks_, {.streams_max = 8}};
};

// The library reads no further once a client without streams has said goodbye, but finishes the
// bytes that it was given with it.
bool says_goodbye(std::string_view text) {
  constexpr uint8_t kGoaway = 7;
  const auto byte = [&](size_t at) { return size_t{static_cast<uint8_t>(text[at])}; };
  while (text.size() >= 9) {
    if (byte(3) == kGoaway) return true;
    text.remove_prefix(std::min(text.size(), 9 + (byte(0) << 16 | byte(1) << 8 | byte(2))));
  }
  return false;
}

std::string run(const fuzz::Pieces& pieces, bool is_whole) {
  World world;
  world.feed(kPreface);
  size_t from = 0;
  for (const size_t cut : pieces.cuts) {
    if (is_whole) break;
    world.feed(pieces.text.substr(from, cut - from));
    from = cut;
  }
  world.feed(pieces.text.substr(from));
  return world.end();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const fuzz::Pieces pieces = fuzz::make_pieces(bytes, size);
  if (pieces.text.empty()) return 0;
  const bool is_same = run(pieces, true) == run(pieces, false);
  expect(is_same || says_goodbye(pieces.text), "the cuts do not change the outcome");
  return 0;
}
