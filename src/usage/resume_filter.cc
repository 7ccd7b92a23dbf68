#include <sluice/usage/resume_filter.h>

#include <array>
#include <cstring>
#include <new>
#include <optional>

#include <sluice/base/assert.h>
#include <sluice/http/sse.h>

namespace sluice::usage {

namespace {

constexpr uint64_t kEmptyDigest = 0xcbf29ce484222325;  // FNV-1a.

// A text by its length and digest, in whatever pieces it came.
struct Said {
  uint64_t bytes = 0;
  uint64_t digest = kEmptyDigest;

  void add(std::string_view bytes_said) noexcept {
    for (const char c : bytes_said) digest = (digest ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    bytes += bytes_said.size();
  }
  void add_raw(std::string_view raw) noexcept {
    std::array<char, 4> scratch;
    while (!raw.empty()) add(json::take_character(raw, scratch));
  }
};

}  // namespace

// What went out, and how far the present stream has come in it.
class ResumeFilter::Ledger {
 public:
  struct Choice {
    std::array<Said, json::kSaidKinds> sent;
    std::array<Said, json::kSaidKinds> again;  // Of the present stream while it repeats.
    bool is_known = false;
    bool has_role = false;
    bool has_finished = false;

    [[nodiscard]] bool is_caught_up() const noexcept {
      for (size_t kind = 0; kind < json::kSaidKinds; ++kind) {
        if (again[kind].bytes < sent[kind].bytes) return false;
      }
      return true;
    }
  };
  static constexpr size_t kChoicesMax = json::ChoicesEvent::kChoicesMax;

  [[nodiscard]] char* text() noexcept { return reinterpret_cast<char*>(this + 1); }

  std::array<Choice, kChoicesMax> choices;
  uint32_t text_bytes = 0;
  bool has_whole_text = true;  // All that was sent is in text().
};

// The ranges of an event's payload that the client does not get, in order.
class ResumeFilter::Cuts {
 public:
  static constexpr size_t kMost = http::EventPieces::kMost - 1;

  // False when there are too many.
  [[nodiscard]] bool add(json::ByteRange range) noexcept {
    if (range.length == 0) return true;
    if (count_ == kMost) return false;
    size_t at = count_++;
    for (; at > 0 && ranges_[at - 1].offset > range.offset; --at) ranges_[at] = ranges_[at - 1];
    ranges_[at] = range;
    return true;
  }
  [[nodiscard]] bool is_empty() const noexcept { return count_ == 0; }

  // `offset` is where the payload begins in the event.
  void put_rest(std::string_view event, size_t offset, http::EventPieces& pieces) const noexcept {
    size_t from = 0;
    for (size_t i = 0; i < count_; ++i) {
      const size_t at = offset + ranges_[i].offset;
      pieces.add(event.substr(from, at - from));
      from = at + ranges_[i].length;
    }
    pieces.add(event.substr(from));
  }

 private:
  std::array<json::ByteRange, kMost> ranges_;
  size_t count_ = 0;
};

namespace {

// Takes off the front of `raw` what `sent` has beyond `again`. False when it is another text.
bool skip_sent(std::string_view& raw, const Said& sent, Said& again) noexcept {
  std::array<char, 4> scratch;
  while (!raw.empty() && again.bytes < sent.bytes) again.add(json::take_character(raw, scratch));
  return again.bytes < sent.bytes || (again.bytes == sent.bytes && again.digest == sent.digest);
}

}  // namespace

size_t ResumeFilter::memory_needed(ResumeMode mode, uint32_t text_bytes_max) noexcept {
  return sizeof(Ledger) + (mode == ResumeMode::kAppend ? text_bytes_max : 0);
}

ResumeFilter::~ResumeFilter() {
  if (ledger_ != nullptr) room_->give_back();
}

bool ResumeFilter::make_ledger() noexcept {
  if (ledger_ != nullptr) return true;
  char* const memory = room_->take(memory_needed(mode_, text_bytes_max_));
  if (memory == nullptr) return false;
  ledger_ = new (memory) Ledger;
  return true;
}

bool ResumeFilter::is_caught_up() const noexcept {
  if (!is_resumed_ || ledger_ == nullptr) return true;
  for (const Ledger::Choice& choice : ledger_->choices) {
    if (!choice.is_caught_up()) return false;
  }
  return true;
}

bool ResumeFilter::can_resume() const noexcept {
  if (!is_followed_ || is_done_ || standing_ == Standing::kDiffers) return false;
  if (mode_ == ResumeMode::kRetry || ledger_ == nullptr) return true;
  return ledger_->has_whole_text && !ledger_->choices[0].has_finished;
}

std::string_view ResumeFilter::partial() const noexcept {
  if (ledger_ == nullptr) return {};
  return {ledger_->text(), ledger_->text_bytes};
}

void ResumeFilter::resume() noexcept {
  SLUICE_ASSERT(can_resume());
  is_resumed_ = true;
  standing_ = Standing::kGoesOn;
  asides_again_ = 0;
  if (ledger_ == nullptr) return;
  for (Ledger::Choice& choice : ledger_->choices) {
    if (mode_ == ResumeMode::kRetry) choice.again = {};
  }
}

bool ResumeFilter::is_complete() const noexcept {
  if (is_done_) return true;
  if (ledger_ == nullptr || !is_caught_up()) return false;
  bool is_known = false;
  for (const Ledger::Choice& choice : ledger_->choices) {
    if (choice.is_known && !choice.has_finished) return false;
    is_known = is_known || choice.is_known;
  }
  return is_known;
}

bool ResumeFilter::give_up_following() noexcept {
  if (!is_caught_up()) {
    standing_ = Standing::kDiffers;
    return false;
  }
  is_followed_ = false;
  return true;
}

bool ResumeFilter::passes_unasked() noexcept {
  return standing_ == Standing::kGoesOn && give_up_following();
}

bool ResumeFilter::keeps(std::string_view event) noexcept {
  http::EventPieces instead;
  return keeps_whole(event, instead);
}

bool ResumeFilter::keeps_whole(std::string_view event, http::EventPieces& instead) noexcept {
  if (standing_ != Standing::kGoesOn) return false;
  const http::DataLines data = http::data_of(event);
  if (data.lines == 0) return true;
  if (data.lines == 1 && data.first == "[DONE]") {
    is_done_ = is_caught_up();
    if (!is_done_) standing_ = Standing::kDiffers;
    return is_done_;
  }
  const auto fields = data.lines == 1 ? reader_->read_choices(data.first) : std::nullopt;
  if (fields && fields->has_error) {
    standing_ = Standing::kLost;
    return false;
  }
  if (!fields || !fields->has_choices || (fields->count > 0 && !make_ledger())) {
    return give_up_following() && asks_inner(event);
  }
  if (fields->count == 0) return !repeats_aside() && asks_inner(event);
  Cuts cuts;
  if (!follow(*fields, data.first, cuts)) return false;
  if (!asks_inner(event)) return false;
  if (cuts.is_empty()) return true;
  cuts.put_rest(event, static_cast<size_t>(data.first.data() - event.data()), instead);
  return false;
}

bool ResumeFilter::repeats_aside() noexcept {
  if (!is_caught_up()) return true;
  if (++asides_again_ <= asides_) return true;
  asides_ = asides_again_;
  return false;
}

bool ResumeFilter::follow(const json::ChoicesEvent& event, std::string_view text,
                          Cuts& cuts) noexcept {
  bool has_news = false;
  bool is_repeated = false;
  const bool was_caught_up = is_caught_up();
  bool is_fit = true;
  for (size_t i = 0; i < event.count; ++i) {
    const json::ChoiceFields& fields = event.choices[i];
    if (fields.index >= Ledger::kChoicesMax || fields.has_more) {
      if (!give_up_following()) return false;
      has_news = true;
      if (fields.index >= Ledger::kChoicesMax) continue;
    }
    Ledger::Choice& choice = ledger_->choices[fields.index];
    choice.is_known = true;
    if (fields.role.length > 0 && choice.has_role && is_resumed_) {
      is_fit = is_fit && cuts.add(fields.role);
    } else if (fields.role.length > 0) {
      choice.has_role = has_news = true;
    }
    for (size_t kind = 0; kind < json::kSaidKinds; ++kind) {
      const json::ByteRange range = fields.said[kind];
      std::string_view rest = text.substr(range.offset, range.length);
      is_fit = is_fit && skip_sent(rest, choice.sent[kind], choice.again[kind]) &&
               cuts.add({range.offset, range.length - rest.size()});
      if (rest.empty()) continue;
      has_news = true;
      choice.sent[kind].add_raw(rest);
      choice.again[kind] = choice.sent[kind];
      asides_ = asides_again_ = 0;
      const bool is_the_text = fields.index == 0 && kind == 0;
      const bool is_fitting = rest.size() <= text_bytes_max_ - ledger_->text_bytes;
      if (mode_ == ResumeMode::kAppend && is_the_text && is_fitting) {
        std::memcpy(ledger_->text() + ledger_->text_bytes, rest.data(), rest.size());
        ledger_->text_bytes += static_cast<uint32_t>(rest.size());
      } else {
        ledger_->has_whole_text = false;
      }
    }
    if (fields.has_finish_reason) {
      is_fit = is_fit && choice.is_caught_up();
      (choice.has_finished ? is_repeated : has_news) = true;
      choice.has_finished = true;
    }
  }
  if (!is_fit) standing_ = Standing::kDiffers;
  // In a first stream all goes on, also what says nothing.
  return is_fit && (has_news || !is_resumed_ || (was_caught_up && cuts.is_empty() && !is_repeated));
}

}  // namespace sluice::usage
