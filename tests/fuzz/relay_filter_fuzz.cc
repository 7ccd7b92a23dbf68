// A hostile upstream's body on its way to the client. Whatever its chunks and the cuts of its
// bytes, the client gets just the events that the filter keeps, in order and framed rightly; the
// tap learns what it would from the whole; and a stream that breaks off can end with an event of
// ours that the client sees as one.
#include "handover.h"  // tidy: allow(private-header) a relay needs two sockets

#include <sluice/usage/resume_filter.h>
#include <sluice/usage/token_tap.h>
#include <sluice/usage/usage_filter.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "../unit/relay/no_kernel.h"
#include "../unit/usage/array_room.h"
#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using fuzz::expect;
using http::BodyKind;
using relay::Handover;
using relay::NoKernel;
using Output = Handover::Output;

constexpr size_t kTextMax = 6'000;
constexpr char kPadding =
    '\xfe';  // Stands for many bytes, so that events can be too large to hold.
constexpr size_t kPaddingBytes = 2'500;
constexpr size_t kPaddingsMax = 16;
constexpr size_t kLargeEvent = 8 * 1024;  // How it is filtered may depend on the cuts.
constexpr std::string_view kBroken = "data: {\"error\":{\"message\":\"x\"}}\n\n";

struct Shard {
  NoKernel kernel;
  io::BufferPool buffers{kernel, {.hot = 64, .most = 64}};
  ByteBudget budget{1 << 30};
  io::BlockPool blocks{budget};
  json::FieldReader reader;
};

Shard& shard() {
  static Shard shard;
  return shard;
}

enum class Filter : uint8_t { kNone, kUsage, kResume };

struct Choices {
  BodyKind framing;
  Output output;
  Filter filter;
  bool copies;
  bool is_raw;          // The input is the framing too.
  size_t broken_after;  // Bytes after which the upstream is gone; npos for never.
};

// Chunks that end where events do, as upstreams write them, or anywhere.
std::string in_chunks(std::string_view payload, uint32_t seed) {
  std::string raw;
  uint32_t state = seed | 1;
  while (!payload.empty()) {
    state = state * 1664525u + 1013904223u;
    size_t bytes = 1 + (state >> 16) % 40;
    if (state >> 30 != 0) {
      const size_t blank = payload.find("\n\n");
      if (blank != std::string_view::npos) bytes = blank + 2;
    }
    bytes = std::min(bytes, payload.size());
    std::array<char, http::kChunkHeadBytesMax> head;
    raw += http::write_chunk_head(head, bytes);
    raw += payload.substr(0, bytes);
    raw += http::kChunkEnd;
    payload.remove_prefix(bytes);
  }
  return raw + std::string(http::kLastChunk);
}

std::string padded(std::string_view text) {
  std::string all;
  size_t paddings = 0;
  for (const char c : text) {
    if (c == kPadding && ++paddings <= kPaddingsMax) {
      all.append(kPaddingBytes, 'x');
    } else {
      all += c;
    }
  }
  return all;
}

struct Taps {
  usage::ArrayRoom event_room;
  usage::ArrayRoom object_room;
  usage::TokenTap tap{shard().reader, usage::BodyKind::kEventStream, event_room, object_room};
};

class LedgerRoom final : public usage::CarryRoom {
 public:
  [[nodiscard]] char* take(size_t bytes) noexcept override {
    return bytes <= bytes_.size() ? bytes_.data() : nullptr;
  }
  void give_back() noexcept override {}

 private:
  alignas(64) std::array<char, 16 * 1024> bytes_;
};

// A filter in its place; one that resumes has passed the beginning of an answer already.
class Filters {
 public:
  Filters(Filter kind, usage::PlainEvents& plain) : usage_(shard().reader, plain), kind_(kind) {
    if (kind != Filter::kResume) return;
    for (const std::string_view text : {"Hel", "lo w"}) {
      const std::string event =
          "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"a\",\"content\":\"" +
          std::string(text) + "\"}}]}\n\n";
      expect(resume_.keeps(event), "a first stream goes on");
    }
    resume_.resume();
  }
  [[nodiscard]] http::EventFilter* chosen() {
    if (kind_ == Filter::kNone) return nullptr;
    return kind_ == Filter::kUsage ? static_cast<http::EventFilter*>(&usage_) : &resume_;
  }

 private:
  LedgerRoom room_;
  usage::UsageFilter usage_;
  usage::ResumeFilter resume_{shard().reader, usage::ResumeMode::kRetry, &usage_, room_, 0};
  Filter kind_;
};

struct Client {
  std::string sent;
  bool is_finished = false;  // The upstream's body ended in order.
  bool is_malformed = false;
  bool has_broken_event = false;
  uint64_t payload_bytes = 0;
};

class Passage {
 public:
  Passage(const Choices& choices, uint64_t length, usage::TokenTap& tap)
      : choices_(choices),
        tap_(tap),
        filters_(choices.filter, tap.plain_events()),
        handover_({.kind = choices.framing, .length = length}, choices.output, filters_.chosen(),
                  shard().blocks) {}

  void take(std::string_view piece) {
    for (size_t at = 0; at < piece.size(); at += io::BufferPool::kUsableBytes) {
      take_buffer(piece.substr(at, io::BufferPool::kUsableBytes));
    }
  }

  Client end() {
    if (!client_.is_malformed && !handover_.is_finished()) (void)handover_.close();
    client_.is_finished = !client_.is_malformed && handover_.is_finished();
    client_.payload_bytes = handover_.payload_bytes();
    if (client_.is_finished) {
      handover_.finish(batch_);
    } else {
      client_.has_broken_event = handover_.write_broken_event(batch_, kBroken);
    }
    flush();
    return std::move(client_);
  }

 private:
  void take_buffer(std::string_view bytes) {
    if (bytes.empty() || client_.is_malformed || handover_.is_finished()) return;
    Shard& own = shard();
    io::Buffer input = own.buffers.adopt(own.kernel.next(), static_cast<uint32_t>(bytes.size()));
    std::memcpy(const_cast<char*>(input.bytes().data()), bytes.data(), bytes.size());
    while (!input.is_empty() && !handover_.is_finished() && !client_.is_malformed) {
      const size_t before = input.bytes().size();
      relay::Passed passed;
      const Result<void> handed = handover_.hand_over(input, batch_, choices_.copies, passed);
      if (passed.plain_events() > 0) tap_.on_plain_events(passed.plain_events());
      for (const std::string_view span : passed.spans()) tap_.on_span(span);
      expect(!handed || input.bytes().size() < before, "each turn takes something");
      client_.is_malformed = !handed;
      // Nothing more can follow, or the slices of this turn have to go first.
      flush();
    }
    input.release();
    own.buffers.commit();
  }

  void flush() {
    size_t bytes = 0;
    for (const std::string_view slice : batch_.slices()) {
      client_.sent += slice;
      bytes += slice.size();
    }
    expect(bytes == batch_.bytes(), "a batch knows its size");
    batch_.clear();
  }

  const Choices& choices_;
  usage::TokenTap& tap_;
  Filters filters_;
  Handover handover_;
  relay::Batch batch_{shard().blocks};
  Client client_;
};

// What the client reads; nothing when its framing is broken.
struct Read {
  std::string payload;
  bool is_over = false;
  bool is_between_chunks = false;
};
std::optional<Read> dechunk(std::string_view raw) {
  http::ChunkedDecoder decoder(Side::kUpstream);
  Read read;
  size_t at = 0;
  while (at < raw.size() && !decoder.finished()) {
    const auto span = decoder.next(raw, at);
    if (!span) return std::nullopt;
    read.payload += *span;
  }
  if (at != raw.size()) return std::nullopt;
  read.is_over = decoder.finished();
  read.is_between_chunks = decoder.at_chunk_boundary();
  return read;
}

struct Events {
  std::vector<std::string_view> whole;
  std::string_view rest;
};
Events events_in(std::string_view payload) {
  http::EventScanner scanner;
  Events events;
  size_t begin = 0;
  for (size_t end = scanner.next_end(payload, 0); end != http::EventScanner::npos;
       end = scanner.next_end(payload, end)) {
    events.whole.push_back(payload.substr(begin, end - begin));
    begin = end;
  }
  events.rest = payload.substr(begin);
  return events;
}

std::string filtered(const Events& events, Filter kind) {
  usage::PlainEvents plain;
  Filters filters(kind, plain);
  http::EventFilter* const filter = filters.chosen();
  std::string kept;
  for (const std::string_view event : events.whole) {
    http::EventPieces instead;
    if (filter == nullptr || filter->keeps_whole(event, instead)) kept += event;
    for (const std::string_view piece : instead.pieces()) kept += piece;
  }
  // What is cut goes on as it is.
  return kept.append(events.rest);
}

// A CR that ends an event may be parted from its LF, which then goes with either; and a byte order
// mark ends nothing. Neither changes what a reader of the stream finds.
std::string without_odd_ends(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && i > 0 && text[i - 1] == '\r') continue;
    plain += text[i] == '\r' ? '\n' : text[i];
  }
  return plain;
}

void check_whole(const Client& client, const Choices& choices, std::string_view payload,
                 std::string_view raw) {
  const Events events = events_in(payload);
  const bool is_large = events.rest.size() > kLargeEvent ||
                        std::ranges::any_of(events.whole, [](std::string_view event) {
                          return event.size() > kLargeEvent;
                        });
  expect(client.payload_bytes == payload.size(), "all of the payload is counted");
  if (choices.output == Output::kVerbatim) {
    expect(client.sent == raw, "verbatim is byte for byte");
    return;
  }
  std::string got = client.sent;
  if (choices.output == Output::kChunked) {
    const auto read = dechunk(client.sent);
    expect(read && read->is_over, "the client's body ends");
    got = read->payload;
  }
  if (is_large) return expect(got.size() <= payload.size(), "nothing is added");
  const std::string wanted = filtered(events, choices.filter);
  expect(got == wanted || without_odd_ends(got) == without_odd_ends(wanted),
         "the client gets what the filter keeps");
}

void check_broken(const Client& client, const Choices& choices) {
  if (!client.has_broken_event) return;
  std::string got = client.sent;
  if (choices.output != Output::kPlain) {
    const auto read = dechunk(client.sent);
    expect(read && !read->is_over && read->is_between_chunks, "the client's framing holds");
    got = read->payload;
  }
  while (got.ends_with("\n\n\n")) got.pop_back();
  expect(got.ends_with(kBroken), "our event is the last thing");
  const Events events = events_in(got);
  expect(events.rest.empty() && http::data_of(events.whole.back()).lines == 1 &&
             http::data_of(events.whole.back()).first == http::data_of(kBroken).first,
         "and an event of its own");
}

void check_tap(const usage::TokenTap& tap, std::string_view payload) {
  Taps whole;
  whole.tap.on_span(payload);
  expect(tap.content_events() == whole.tap.content_events(), "events are counted alike");
  const auto left = tap.usage();
  const auto right = whole.tap.usage();
  expect(left.source == right.source && left.input == right.input && left.output == right.output,
         "and usage is read alike");
  expect(tap.is_done() == whole.tap.is_done() && tap.has_error() == whole.tap.has_error() &&
             tap.has_finished() == whole.tap.has_finished(),
         "and how the stream ended");
}

Choices choose(uint8_t first, uint8_t second, size_t size) {
  Choices choices{};
  const bool has_filter = (first & 1) != 0;
  choices.filter = !has_filter ? Filter::kNone : first < 128 ? Filter::kUsage : Filter::kResume;
  choices.copies = (first & 2) != 0;
  choices.is_raw = (first & 4) != 0;
  constexpr std::array kFramings = {BodyKind::kChunked, BodyKind::kChunked, BodyKind::kLength,
                                    BodyKind::kUntilClose};
  choices.framing = kFramings[first >> 3 & 3];
  // As the relay chooses.
  const bool is_bare = (first & 32) != 0;
  if (!has_filter && choices.framing == BodyKind::kLength) {
    choices.output = Output::kVerbatim;
  } else if (is_bare) {
    choices.output = Output::kPlain;
  } else if (has_filter || choices.framing == BodyKind::kUntilClose) {
    choices.output = Output::kChunked;
  } else {
    choices.output = Output::kVerbatim;
  }
  choices.broken_after = (first & 64) != 0 ? size * second / 256 : std::string_view::npos;
  return choices;
}

// Only a filter that may not pass what it has not seen refuses, and only what is too large for it.
int expect_refusal(const Choices& choices, std::string_view payload) {
  expect(choices.filter == Filter::kResume && payload.size() > kLargeEvent,
         "what we framed is framed");
  return 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 4) return 0;
  const fuzz::Pieces pieces = fuzz::make_pieces(bytes + 2, size - 2);
  const std::string payload = padded(pieces.text.substr(0, kTextMax));
  const bool is_chunked = (bytes[0] >> 3 & 3) < 2;
  const bool is_raw = (bytes[0] & 4) != 0 && is_chunked;
  const std::string raw =
      is_chunked && !is_raw ? in_chunks(payload, bytes[1] * 256u + bytes[2]) : std::string(payload);
  Choices choices = choose(bytes[0], bytes[1], raw.size());
  Taps taps;
  Passage passage(choices, raw.size(), taps.tap);
  const std::string_view view = std::string_view(raw).substr(0, choices.broken_after);
  size_t begin = 0;
  for (const size_t cut : pieces.cuts) {
    // As many bytes as are cut from the payload, of what goes over the wire.
    if (begin + cut % 256 + 1 > view.size()) break;
    passage.take(view.substr(begin, cut % 256 + 1));
    begin += cut % 256 + 1;
  }
  passage.take(view.substr(begin));
  const Client client = passage.end();
  check_broken(client, choices);
  if (is_raw) {
    const auto read = dechunk(view);
    expect(!client.is_finished || !read || read->is_over, "a body ends where its framing says");
    return 0;
  }
  // A stream that cannot be resumed any more may be refused in the middle.
  if (client.is_malformed) return expect_refusal(choices, payload);
  if (view.size() < raw.size()) return 0;
  expect(client.is_finished, "what is whole ends");
  check_whole(client, choices, payload, raw);
  if (payload.size() <= 1'000) check_tap(taps.tap, payload);
  return 0;
}
