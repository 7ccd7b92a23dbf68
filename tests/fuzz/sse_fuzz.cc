// Events are those that a reader by the letter of the standard finds, however the stream is cut,
// and no byte is lost between them.
#include <sluice/http/sse.h>

#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using fuzz::expect;

// One event as a browser would dispatch it: its type and its data.
struct Event {
  std::string name;
  std::string text;
  bool operator==(const Event&) const = default;
};

// Reads the whole stream byte by byte.
std::vector<Event> reference(std::string_view stream) {
  std::vector<Event> events;
  if (stream.starts_with("\xEF\xBB\xBF")) stream.remove_prefix(3);
  Event event;
  bool has_data = false;
  std::string line;
  for (size_t i = 0; i < stream.size(); ++i) {
    if (stream[i] != '\n' && stream[i] != '\r') {
      line += stream[i];
      continue;
    }
    if (stream[i] == '\r' && i + 1 < stream.size() && stream[i + 1] == '\n') ++i;
    if (line.empty()) {
      events.push_back(event);
      event = {};
      has_data = false;
      continue;
    }
    const size_t colon = line.find(':');
    const std::string name = line.substr(0, colon);
    std::string value = colon == std::string::npos ? "" : line.substr(colon + 1);
    if (value.starts_with(" ")) value.erase(0, 1);
    if (name == "event") event.name = value;
    if (name == "data") {
      if (has_data) event.text += '\n';
      event.text += value;
      has_data = true;
    }
    line.clear();
  }
  return events;
}

// The reader strips a mark from any event, the standard from the stream alone.
bool has_inner_mark(std::string_view stream) {
  return stream.find("\xEF\xBB\xBF", 1) != std::string_view::npos;
}

std::vector<Event> scanned(std::string_view stream, std::vector<size_t> cuts, size_t& rest_bytes) {
  http::EventScanner scanner;
  std::vector<Event> events;
  std::string rest;
  size_t total = 0;
  cuts.push_back(stream.size());
  size_t begin = 0;
  for (const size_t end : cuts) {
    const std::vector<char> piece = fuzz::copy_of(stream.substr(begin, end - begin));
    const std::string_view span = fuzz::view_of(piece);
    begin = end;
    size_t from = 0;
    for (size_t at = scanner.next_end(span, 0); at != http::EventScanner::npos;
         at = scanner.next_end(span, from)) {
      expect(at > from && at <= span.size(), "each event takes at least a byte");
      rest += span.substr(from, at - from);
      total += rest.size();
      std::vector<char> out(rest.size());
      const size_t bytes = http::copy_data(rest, out);
      expect(bytes <= rest.size(), "data is smaller than its event");
      events.push_back({std::string(http::name_of(rest)), std::string(out.data(), bytes)});
      expect(bytes == 0 || http::data_of(rest).lines > 0, "data comes from data lines");
      rest.clear();
      from = at;
    }
    rest += span.substr(from);
    expect(scanner.at_event_boundary() == (rest.empty() || (rest == "\n" && total > 0)),
           "open exactly while bytes of an event are kept");
  }
  rest_bytes = rest.size();
  expect(total + rest.size() == stream.size(), "no byte is lost");
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const fuzz::Pieces pieces = fuzz::make_pieces(bytes, size);
  if (pieces.text.empty()) return 0;
  size_t whole_rest = 0;
  size_t split_rest = 0;
  const auto whole = scanned(pieces.text, {}, whole_rest);
  const auto split = scanned(pieces.text, pieces.cuts, split_rest);
  expect(whole == split, "the cuts do not change the events");
  expect(split_rest == whole_rest || split_rest == whole_rest + 1, "at most an LF moves");
  if (!has_inner_mark(pieces.text)) {
    expect(whole == reference(pieces.text), "the events are those of the standard");
  }
  return 0;
}
