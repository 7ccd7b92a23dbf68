// Any answer in any cuts: what the tap learns must not depend on where the spans end.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <sluice/http/sse.h>
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

  // The filter is asked about one whole event at a time; lines of two are never joined.
  sluice::http::EventScanner scanner;
  const size_t end = scanner.next_end(body, 0);
  if (end == sluice::http::EventScanner::npos) return 0;
  const std::string event(body.substr(0, end));
  sluice::usage::UsageFilter filter(reader);
  if (!filter.keeps(event)) require(filter.may_drop_within(event));
  return 0;
}
