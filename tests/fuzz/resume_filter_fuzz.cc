// Two streams made into one. While the filter lets it go on, the client's text is the one of the
// first stream or, once that is repeated, of the second; it never loses or repeats a character,
// gets whole events only, and nothing of what differs.
#include <sluice/http/sse.h>
#include <sluice/json/value.h>
#include <sluice/usage/plain_events.h>
#include <sluice/usage/resume_filter.h>
#include <sluice/usage/usage_filter.h>

#include <algorithm>
#include <array>
#include <map>

#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using fuzz::expect;
using usage::ResumeFilter;
using usage::ResumeMode;
using Standing = http::EventFilter::Standing;

constexpr char kBetween = '\xff';
constexpr uint32_t kTextMax = 512;

class LedgerRoom final : public usage::CarryRoom {
 public:
  [[nodiscard]] char* take(size_t bytes) noexcept override {
    expect(!is_lent, "one loan at a time");
    if (bytes > bytes_.size()) return nullptr;
    is_lent = true;
    return bytes_.data();
  }
  void give_back() noexcept override { is_lent = false; }
  bool is_lent = false;

 private:
  alignas(64) std::array<char, 16 * 1024> bytes_;
};

json::FieldReader& reader() {
  static json::FieldReader reader;
  return reader;
}

using Texts = std::map<std::pair<uint64_t, size_t>, std::string>;

void add_texts(Texts& texts, std::string_view event) {
  const http::DataLines data = http::data_of(event);
  if (data.lines != 1) return;
  const auto fields = reader().read_choices(data.first);
  if (!fields) return;
  for (size_t i = 0; i < fields->count; ++i) {
    for (size_t kind = 0; kind < json::kSaidKinds; ++kind) {
      const json::ByteRange range = fields->choices[i].said[kind];
      expect(range.offset + range.length <= data.first.size(), "a text lies in its event");
      std::string_view raw = data.first.substr(range.offset, range.length);
      std::array<char, 4> scratch;
      std::string& text = texts[{fields->choices[i].index, kind}];
      while (!raw.empty()) text += json::take_character(raw, scratch);
    }
  }
}

// What the strict reader of the control path finds of the first choice's content.
void check_choices(std::string_view payload) {
  const auto fields = reader().read_choices(payload);
  const auto tree = json::parse_value(payload);
  if (!fields || !tree) return;
  const json::Value* choices = tree->find("choices");
  const bool has_choices = choices != nullptr && choices->as_array() != nullptr;
  expect(has_choices == fields->has_choices, "both readers see choices");
  if (!has_choices) return;
  expect(choices->as_array()->size() == fields->count, "and as many");
  for (size_t i = 0; i < fields->count; ++i) {
    const json::Value* delta = (*choices->as_array())[i].find("delta");
    const json::Value* content = delta == nullptr ? nullptr : delta->find("content");
    if (content == nullptr || content->as_string() == nullptr) continue;
    const json::Value* text = (*choices->as_array())[i].find("text");
    if (text != nullptr) continue;
    const json::ByteRange range = fields->choices[i].said[0];
    std::string_view raw = payload.substr(range.offset, range.length);
    std::array<char, 4> scratch;
    std::string found;
    while (!raw.empty()) found += json::take_character(raw, scratch);
    expect(found == *content->as_string(), "and the same content");
  }
}

std::vector<std::string_view> events_in(std::string_view stream) {
  http::EventScanner scanner;
  std::vector<std::string_view> events;
  size_t begin = 0;
  for (size_t end = scanner.next_end(stream, 0); end != http::EventScanner::npos;
       end = scanner.next_end(stream, end)) {
    events.push_back(stream.substr(begin, end - begin));
    begin = end;
  }
  return events;
}

bool is_json(std::string_view event) {
  const http::DataLines data = http::data_of(event);
  return data.lines == 1 && json::parse_value(data.first).has_value();
}

// Half of a pair, which a stream may part: each event then says U+FFFD, and both together a
// character. Alone it is good JSON that the strict reader of the control path refuses.
bool has_surrogate(std::string_view raw) {
  for (size_t at = raw.find("\\u"); at != std::string_view::npos; at = raw.find("\\u", at + 2)) {
    if (at + 4 > raw.size() || (raw[at + 2] | 0x20) != 'd') continue;
    if (raw[at + 3] >= '8') return true;
  }
  return false;
}

class Client {
 public:
  Client(ResumeMode mode, http::EventFilter* inner)
      : filter_(reader(), mode, inner, room_, kTextMax), mode_(mode) {}

  void pass(std::string_view event, Texts& stream) {
    const Texts before = texts_;
    const bool was_good = filter_.standing() == Standing::kGoesOn;
    add_texts(stream, event);
    http::EventPieces instead;
    std::string got;
    if (filter_.keeps_whole(event, instead)) {
      got = event;
    } else {
      for (const std::string_view piece : instead.pieces()) got += piece;
    }
    expect(got.size() <= event.size(), "nothing is added");
    expect(was_good || got.empty(), "nothing goes out once it is over");
    if (got.empty()) return;
    // One that begins with a byte order mark would be another event at the front of a stream.
    http::EventScanner scanner;
    expect(got.starts_with("\xEF\xBB\xBF") || scanner.next_end(got, 0) == got.size(),
           "the client gets whole events");
    expect(!is_json(event) || is_json(got), "and JSON where it was");
    add_texts(texts_, got);
    for (const auto& [which, text] : before) {
      expect(texts_[which].starts_with(text), "no text is taken back");
    }
  }

  [[nodiscard]] ResumeFilter& filter() { return filter_; }
  [[nodiscard]] const Texts& texts() const { return texts_; }

  // `first` is what went out of the first stream, `again` what the second one has said.
  void check_resumed(const Texts& first, const Texts& again) {
    for (const auto& [which, text] : texts_) {
      const auto was = first.find(which);
      const auto is = again.find(which);
      const std::string sent = was == first.end() ? "" : was->second;
      const std::string said = is == again.end() ? "" : is->second;
      if (which.first >= json::ChoicesEvent::kChoicesMax) continue;
      if (mode_ == ResumeMode::kAppend) {
        expect(text == sent + said, "what is appended goes on");
      } else {
        expect(text == (said.size() > sent.size() ? said : sent), "text is neither lost nor twice");
        // Whether a shorter one is another text shows only where the client stands.
        expect(said.size() < sent.size() || said.starts_with(sent), "and it is one text");
      }
    }
  }

 private:
  LedgerRoom room_;
  ResumeFilter filter_;
  ResumeMode mode_;
  Texts texts_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const size_t mark = std::min(input.find(kBetween), input.size());
  const auto first = events_in(input.substr(0, mark));
  const auto second = events_in(input.substr(std::min(mark + 1, input.size())));
  usage::PlainEvents plain;
  usage::UsageFilter inner(reader(), plain);
  const ResumeMode mode = (bytes[0] & 1) != 0 ? ResumeMode::kAppend : ResumeMode::kRetry;
  Client client(mode, (bytes[0] & 2) != 0 ? &inner : nullptr);
  Texts said;
  for (const std::string_view event : first) {
    const http::DataLines data = http::data_of(event);
    if (data.lines == 1) check_choices(data.first);
    client.pass(event, said);
  }
  if (!client.filter().can_resume()) return 0;
  if (mode == ResumeMode::kAppend && !has_surrogate(client.filter().partial())) {
    const auto text = json::parse_value('"' + std::string(client.filter().partial()) + '"');
    const auto content = client.texts().find({0, 0});
    const std::string wanted = content == client.texts().end() ? "" : content->second;
    expect(text && text->as_string() != nullptr, "the partial answer is the inside of a string");
    expect(*text->as_string() == wanted, "and what the client has");
  }
  const Texts sent = client.texts();
  client.filter().resume();
  Texts again;
  for (const std::string_view event : second) {
    if (client.filter().standing() != Standing::kGoesOn) break;
    Texts next = again;
    client.pass(event, next);
    // What ended the chance to go on was not sent, or cannot be followed any more.
    if (client.filter().standing() != Standing::kGoesOn || !client.filter().can_resume()) break;
    again = std::move(next);
    client.check_resumed(sent, again);
  }
  return 0;
}
