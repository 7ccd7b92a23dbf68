#include <sluice/http/sse.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace sluice::http {
namespace {

struct Scanned {
  std::vector<std::string> events;
  std::string rest;
  bool at_boundary = true;
};

// Scans `stream` in spans that end at `cuts`, each in an allocation of its own.
Scanned scan(std::string_view stream, std::vector<size_t> cuts) {
  EventScanner scanner;
  Scanned scanned;
  cuts.push_back(stream.size());
  size_t begin = 0;
  for (const size_t end : cuts) {
    const std::vector<char> copy(stream.begin() + static_cast<ptrdiff_t>(begin),
                                 stream.begin() + static_cast<ptrdiff_t>(end));
    begin = end;
    const std::string_view span(copy.data(), copy.size());
    size_t from = 0;
    for (size_t at = scanner.next_end(span, 0); at != EventScanner::npos;
         at = scanner.next_end(span, from)) {
      scanned.events.push_back(scanned.rest + std::string(span.substr(from, at - from)));
      scanned.rest.clear();
      from = at;
    }
    scanned.rest += span.substr(from);
  }
  scanned.at_boundary = scanner.at_event_boundary();
  return scanned;
}

// What a browser would make of the stream, read one byte at a time by the rules of the standard:
// the events as lists of lines, less the blank ones.
std::vector<std::string> reference_events(std::string_view stream) {
  std::vector<std::string> events;
  std::string event;
  std::string line;
  if (stream.starts_with("\xEF\xBB\xBF")) stream.remove_prefix(3);
  for (size_t i = 0; i < stream.size(); ++i) {
    if (stream[i] != '\n' && stream[i] != '\r') {
      line += stream[i];
      continue;
    }
    if (stream[i] == '\r' && i + 1 < stream.size() && stream[i + 1] == '\n') ++i;
    if (line.empty()) {
      events.push_back(event);
      event.clear();
    } else {
      event += line + "\n";
    }
    line.clear();
  }
  return events;
}

// The lines of a scanned event, in the same form.
std::vector<std::string> lines_of(const std::vector<std::string>& events) {
  std::vector<std::string> normal;
  for (size_t i = 0; i < events.size(); ++i) {
    std::string_view event = events[i];
    if (i > 0 && event.starts_with("\n") && events[i - 1].ends_with("\r")) event.remove_prefix(1);
    if (i == 0 && event.starts_with("\xEF\xBB\xBF")) event.remove_prefix(3);
    std::string lines;
    std::string line;
    for (const char c : event) {
      if (c != '\n' && c != '\r') {
        line += c;
      } else if (!line.empty()) {
        lines += line + "\n";
        line.clear();
      }
    }
    normal.push_back(lines);
  }
  return normal;
}

std::string with_line_ends(std::string text, std::string_view end) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += end;
    } else {
      out += c;
    }
  }
  return out;
}

const std::string kCorpus =
    "data: {\"a\":1}\n\n"
    ": comment\n\n"
    "event: x\nid: 7\ndata: one\ndata:two\ndata\n\n"
    "\n\n"
    "data: " +
    std::string(100, 'y') +
    "\n\n"
    "data: [DONE]\n\n"
    "data: unfinished\n";

// D25: each event is seen when its last byte is, for every line ending and every cut.
TEST(EventScanner, d025_events_are_the_same_for_every_line_ending_cut_at_every_byte) {
  for (const std::string_view bom : {"", "\xEF\xBB\xBF"}) {
    for (const std::string_view end : {"\n", "\r\n", "\r"}) {
      const std::string stream = std::string(bom) + with_line_ends(kCorpus, end);
      const auto reference = reference_events(stream);
      ASSERT_EQ(reference.size(), 7u);
      std::vector<size_t> all;
      for (size_t cut = 0; cut <= stream.size(); ++cut) {
        all.push_back(cut);
        const Scanned scanned = scan(stream, {cut});
        ASSERT_EQ(lines_of(scanned.events), reference) << cut;
        ASSERT_FALSE(scanned.at_boundary);
      }
      ASSERT_EQ(lines_of(scan(stream, all).events), reference);
    }
  }
}

TEST(EventScanner, mixed_line_endings_and_random_cuts_agree_with_the_reference) {
  std::mt19937 random(5);
  const std::string_view pieces[] = {"\n",   "\r",           "\r\n",     "\n\n",
                                     "\r\r", "\r\n\r\n",     "\n\r",     "data: x",
                                     ":",    "\xEF\xBB\xBF", "\xEF\xBB", "é"};
  for (int round = 0; round < 20'000; ++round) {
    std::string stream;
    for (size_t i = random() % 20; i > 0; --i) stream += pieces[random() % std::size(pieces)];
    if (random() % 8 == 0) stream += std::string(random() % 100, 'z') + "\r\n\r\n";
    std::vector<size_t> cuts;
    for (size_t at = random() % 5; at < stream.size(); at += random() % 5) cuts.push_back(at);
    const Scanned scanned = scan(stream, cuts);
    ASSERT_EQ(lines_of(scanned.events), reference_events(stream))
        << ::testing::PrintToString(stream);
    std::string together;
    for (const std::string& event : scanned.events) together += event;
    ASSERT_EQ(together + scanned.rest, stream);
    ASSERT_EQ(scanned.at_boundary, scanned.rest.empty() || scanned.rest == "\n")
        << ::testing::PrintToString(stream);
  }
}

TEST(EventScanner, d025_a_complete_event_never_waits_for_an_lf) {
  EventScanner scanner;
  EXPECT_EQ(scanner.next_end("data: x\r\n\r", 0), 10u);
  EXPECT_TRUE(scanner.at_event_boundary());
  const std::string_view next = "\ndata: y\r\n\r\n";
  EXPECT_EQ(scanner.next_end(next, 0), next.size());
  EXPECT_EQ(data_of(next).first, "y");
}

TEST(EventScanner, a_left_over_lf_does_not_open_an_event) {
  EventScanner scanner;
  ASSERT_EQ(scanner.next_end("data: x\r\r", 0), 9u);
  EXPECT_EQ(scanner.next_end("\n", 0), EventScanner::npos);
  EXPECT_TRUE(scanner.at_event_boundary());
  EXPECT_EQ(scanner.next_end("\n", 0), 1u);
}

// D18: no line is too long.
TEST(EventScanner, d018_lines_of_eight_mebibytes_are_scanned) {
  for (const size_t size : {(16u << 10) + 1, (256u << 10) + 1, 8u << 20}) {
    const std::string stream = "data: " + std::string(size, 'x') + "\n\n";
    EventScanner scanner;
    EXPECT_EQ(scanner.next_end(stream, 0), stream.size());
    EventScanner in_two;
    EXPECT_EQ(in_two.next_end(stream.substr(0, size / 2), 0), EventScanner::npos);
    EXPECT_FALSE(in_two.at_event_boundary());
    EXPECT_EQ(in_two.next_end(stream.substr(size / 2), 0), stream.size() - size / 2);
    EXPECT_TRUE(in_two.at_event_boundary());
  }
}

TEST(EventScanner, a_stream_begins_at_a_boundary) {
  EXPECT_TRUE(EventScanner().at_event_boundary());
}

TEST(EventFields, reads_names_and_values_by_the_standard) {
  for (const std::string_view end : {"\n", "\r\n", "\r"}) {
    const std::string event = with_line_ends(
        ": c\nevent: a\ndata: one\ndata:  two\ndata:three\ndata\ndata:\nretry:5\nevent: b\n\n",
        end);
    std::string text;
    EventFields fields(event);
    for (EventField field; fields.next(field);) {
      text += std::string(field.name) + "=" + std::string(field.value) + ";";
    }
    EXPECT_EQ(text, "event=a;data=one;data= two;data=three;data=;data=;retry=5;event=b;");
    EXPECT_EQ(name_of(event), "b");
    EXPECT_EQ(data_of(event).first, "one");
    EXPECT_EQ(data_of(event).lines, 5u);
    char out[18];
    ASSERT_EQ(copy_data(event, out), 16u);
    EXPECT_EQ(std::string_view(out, 16), "one\n two\nthree\n\n");
    EXPECT_EQ(copy_data(event, std::span<char>(out, 15)), EventScanner::npos);
  }
}

TEST(EventFields, events_without_data_have_none) {
  for (const std::string_view event :
       {"", "\n", "\r\n", ": only a comment\n\n", "\xEF\xBB\xBF\n"}) {
    EXPECT_EQ(data_of(event).lines, 0u);
    EXPECT_EQ(name_of(event), "");
  }
  EXPECT_EQ(data_of("\xEF\xBB\xBF"
                    "data: x\n\n")
                .first,
            "x");
  EXPECT_EQ(data_of("data:x").first, "x");
}

}  // namespace
}  // namespace sluice::http
