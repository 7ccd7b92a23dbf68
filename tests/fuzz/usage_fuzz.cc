// Any answer in any cuts: what the tap learns must not depend on where the spans end.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <sluice/http/sse.h>
#include <sluice/json/plain_usage.h>
#include <sluice/usage/token_tap.h>
#include <sluice/usage/usage_filter.h>

#include "../unit/usage/array_room.h"

namespace {

using sluice::usage::ArrayRoom;
using sluice::usage::BodyKind;
using sluice::usage::TokenTap;

void require(bool holds) {
  if (!holds) std::abort();
}

void check_equal(const TokenTap& left, const TokenTap& right) {
  const auto a = left.usage();
  const auto b = right.usage();
  require(a.source == b.source && a.input == b.input && a.output == b.output);
  require(a.cached == b.cached && a.reasoning == b.reasoning && a.partial == b.partial);
  require(left.content_events() == right.content_events());
  require(left.is_done() == right.is_done() && left.has_error() == right.has_error());
  require(left.has_finished() == right.has_finished());
}

// Wherever a plain usage is read, the strict reader reads the same one.
void check_plain_usage(sluice::json::FieldReader& reader, std::string_view body) {
  size_t at = body.find('{');
  for (int left = 16; left > 0 && at != std::string_view::npos; --left) {
    if (const auto plain = sluice::json::read_plain_usage(body.substr(at))) {
      const auto strict = reader.read_usage(body.substr(at, plain->bytes));
      require(strict.has_value());
      require(strict->input == plain->fields.input && strict->output == plain->fields.output);
      require(strict->cached == plain->fields.cached);
      require(strict->reasoning == plain->fields.reasoning);
    }
    const size_t end = body.find('\n', at);
    const std::string_view text = body.substr(at, end == std::string_view::npos ? end : end - at);
    if (const auto plain = sluice::json::read_plain_event(text)) {
      const auto strict = reader.read_event(text);
      require(strict.has_value() && strict->has_usage == plain->has_usage);
      require(strict->has_choices == plain->has_choices);
      require(strict->choices_empty == plain->choices_empty);
      require(strict->has_error == plain->has_error && !strict->has_finish_reason);
      require(strict->usage.output == plain->usage.output);
    }
    at = body.find('{', at + 1);
  }
}

// The filter is asked about one whole event at a time; lines of two are never joined. Whatever the
// stream has taught, it must ask about an event that it would drop.
void check_filter(sluice::json::FieldReader& reader, sluice::usage::PlainEvents& plain,
                  std::string_view body) {
  using Look = sluice::http::EventFilter::Look;
  sluice::usage::UsageFilter filter(reader, plain);
  ArrayRoom room;
  sluice::http::EventScanner scanner;
  for (size_t begin = 0;;) {
    const size_t end = scanner.next_end(body, begin);
    if (end == sluice::http::EventScanner::npos) return;
    const std::string event(body.substr(begin, end - begin));
    const Look look = filter.look_at(event);
    if (!filter.keeps(event)) require(look.kind == Look::kAsk);
    sluice::http::EventScanner own;
    if (look.kind == Look::kAllPlain) {
      require(own.next_end(event, 0) == event.size());
      TokenTap alone(reader, BodyKind::kEventStream, room, room);
      alone.on_span(event);
      require(alone.content_events() == look.plain_events && !alone.has_finished());
    }
    begin = end;
  }
}

}  // namespace

// The first byte chooses the kind of body and the length of the spans.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static sluice::json::FieldReader reader;
  if (size == 0) return 0;
  const BodyKind kind = (bytes[0] & 1) != 0 ? BodyKind::kEventStream : BodyKind::kJson;
  const size_t span_bytes = 1 + (bytes[0] >> 1) % 32;
  // Within what the tap carries, because of a longer event it judges what came uncut.
  const std::string_view body(reinterpret_cast<const char*>(bytes) + 1,
                              size - 1 < 1024 ? size - 1 : 1024);
  ArrayRoom event_room;
  ArrayRoom object_room;
  TokenTap whole(reader, kind, event_room, object_room);
  whole.on_span(body);
  ArrayRoom other_event_room;
  ArrayRoom other_object_room;
  TokenTap cut(reader, kind, other_event_room, other_object_room);
  for (size_t at = 0; at < body.size(); at += span_bytes) {
    const std::string span(body.substr(at, span_bytes));
    cut.on_span(span);
  }
  check_equal(whole, cut);

  check_plain_usage(reader, body);
  check_filter(reader, whole.plain_events(), body);
  return 0;
}
