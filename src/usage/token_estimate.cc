#include <sluice/usage/token_estimate.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace sluice::usage {
namespace {

// Tokens of a byte or character, in units of 1/1024. Rules of thumb, not measured, of
// byte-pair vocabularies of 100,000 to 200,000 entries: English has about 4 bytes or 3/4 of a word
// to a token, a word takes its leading space along, digits go in groups of up to three, marks join
// in twos, Cyrillic, Greek and Arabic letters go in twos, a Chinese, Japanese or Korean character
// is about one token, an emoji two. Capitals weigh more than small letters because they stand for
// what no vocabulary knows: constants, identifiers, base64. What a model's vocabulary really does
// is learned by PromptCalibration.
constexpr int64_t kUnit = 1024;
constexpr int64_t kSmallLetter = 225;
constexpr int64_t kCapital = 560;
constexpr int64_t kDigit = 460;
constexpr int64_t kSpace = 100;
constexpr int64_t kMark = 512;
constexpr int64_t kTwoBytes = 520;
constexpr int64_t kThreeBytes = 940;
constexpr int64_t kFourBytes = 2048;

// Characters by class. Signed: what an escape replaces is taken off.
struct Counts {
  int64_t small = 0;
  int64_t capital = 0;
  int64_t digit = 0;
  int64_t space = 0;
  int64_t ascii = 0;
  int64_t two = 0;
  int64_t three = 0;
  int64_t four = 0;

  [[nodiscard]] int64_t units() const noexcept {
    const int64_t mark = ascii - small - capital - digit - space;
    return small * kSmallLetter + capital * kCapital + digit * kDigit + space * kSpace +
           mark * kMark + two * kTwoBytes + three * kThreeBytes + four * kFourBytes;
  }
};

// Bytes of one turn: sums of that many fit into a byte, which is what lets the compiler count
// sixteen bytes at a time.
constexpr size_t kChunk = 128;

// Characters outside ASCII, and how many escapes begin: few chunks have any.
[[gnu::always_inline]] inline uint32_t count_rare(const uint8_t* bytes, Counts& counts) noexcept {
  uint8_t ascii = 0;
  uint8_t from_two = 0;
  uint8_t from_three = 0;
  uint8_t from_four = 0;
  uint8_t escapes = 0;
  for (size_t i = 0; i < kChunk; ++i) {
    const uint8_t byte = bytes[i];
    ascii += byte < 0x80;
    from_two += byte >= 0xC0;
    from_three += byte >= 0xE0;
    from_four += byte >= 0xF0;
    escapes += static_cast<uint8_t>((byte == '\\') & (bytes[i + 1] == 'u'));
  }
  counts.ascii += ascii;
  counts.two += from_two - from_three;
  counts.three += from_three - from_four;
  counts.four += from_four;
  return escapes;
}

// Reads kChunk + 1 bytes. Returns how many escapes begin in it.
[[gnu::always_inline]] inline uint32_t count_chunk(const uint8_t* bytes, Counts& counts) noexcept {
  uint8_t small = 0;
  uint8_t capital = 0;
  uint8_t digit = 0;
  uint8_t space = 0;
  uint8_t high = 0;
  uint8_t backslash = 0;
  for (size_t i = 0; i < kChunk; ++i) {
    const uint8_t byte = bytes[i];
    small += static_cast<uint8_t>(byte - 'a') < 26;
    capital += static_cast<uint8_t>(byte - 'A') < 26;
    digit += static_cast<uint8_t>(byte - '0') < 10;
    space += byte <= 0x20;
    high |= byte;
    backslash |= static_cast<uint8_t>(byte == '\\');
  }
  counts.small += small;
  counts.capital += capital;
  counts.digit += digit;
  counts.space += space;
  if (high >= 0x80 || backslash != 0) return count_rare(bytes, counts);
  counts.ascii += kChunk;
  return 0;
}

#if defined(__x86_64__)
// The same, which the compiler makes of vectors twice as wide.
[[gnu::target("avx2")]] uint32_t count_chunk_avx2(const uint8_t* bytes, Counts& counts) noexcept {
  return count_chunk(bytes, counts);
}
const bool has_avx2 = __builtin_cpu_supports("avx2");
#endif

uint32_t count_next(const uint8_t* bytes, Counts& counts) noexcept {
#if defined(__x86_64__)
  if (has_avx2) return count_chunk_avx2(bytes, counts);
#endif
  return count_chunk(bytes, counts);
}

int32_t hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  const auto small = static_cast<char>(c | 0x20);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

// Takes the letters of an escape off and puts its character in; `text` is what follows the \u.
void count_escape(std::string_view text, Counts& counts) noexcept {
  constexpr size_t kHexDigits = 4;
  if (text.size() < kHexDigits) return;
  uint32_t code = 0;
  Counts letters;
  for (const char c : text.substr(0, kHexDigits)) {
    const int32_t value = hex_value(c);
    if (value < 0) return;
    code = code << 4 | static_cast<uint32_t>(value);
    if (value < 10)
      ++letters.digit;
    else
      ++(c >= 'a' ? letters.small : letters.capital);
  }
  counts.digit -= letters.digit;
  counts.small -= letters.small + 1;
  counts.capital -= letters.capital;
  counts.ascii -= 2 + static_cast<int64_t>(kHexDigits);
  if (code < 0x80)
    ++counts.ascii;
  else if (code < 0x800)
    ++counts.two;
  else if (code < 0xD800 || code > 0xDFFF)
    ++counts.three;
  else if (code < 0xDC00)
    ++counts.four;  // The first of a pair; the second is nothing more.
}

void count_escapes(std::string_view text, size_t begin, size_t end, Counts& counts) noexcept {
  for (size_t i = begin; i < end && i + 1 < text.size(); ++i) {
    if (text[i] == '\\' && text[i + 1] == 'u') count_escape(text.substr(i + 2), counts);
  }
}

int64_t units_of(std::string_view text) noexcept {
  Counts counts;
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  size_t at = 0;
  for (; text.size() - at > kChunk; at += kChunk) {
    if (count_next(bytes + at, counts) != 0) count_escapes(text, at, at + kChunk, counts);
  }
  if (at == text.size()) return counts.units();
  std::array<uint8_t, kChunk + 1> last;
  last.fill('a');  // Common, unlike a byte that counts as nothing; taken off again.
  std::memcpy(last.data(), bytes + at, text.size() - at);
  if (count_next(last.data(), counts) != 0) count_escapes(text, at, text.size(), counts);
  const auto padding = static_cast<int64_t>(kChunk - (text.size() - at));
  counts.small -= padding;
  counts.ascii -= padding;
  return counts.units();
}

uint64_t to_tokens(int64_t units) noexcept {
  return static_cast<uint64_t>(std::max((units + kUnit - 1) / kUnit, int64_t{1}));
}

}  // namespace

uint64_t estimate_prompt(std::string_view body) noexcept {
  if (body.empty()) return 0;
  if (body.size() <= kWholeBytes) return to_tokens(units_of(body));
  const std::string_view rest = body.substr(kFrontBytes);
  int64_t sampled = 0;
  for (size_t block = 0; block < kBlocks; ++block) {
    // Each block stands in the middle of its part of the rest.
    const size_t at = (rest.size() - kBlockBytes) * (2 * block + 1) / (2 * kBlocks);
    sampled += units_of(rest.substr(at, kBlockBytes));
  }
  const double scale = static_cast<double>(rest.size()) / (kBlocks * kBlockBytes);
  return to_tokens(units_of(body.substr(0, kFrontBytes)) +
                   std::llround(static_cast<double>(sampled) * scale));
}

double estimate_error(uint64_t applied, uint64_t reported) noexcept {
  if (reported == 0) return 0;
  const uint64_t apart = applied > reported ? applied - reported : reported - applied;
  return static_cast<double>(apart) / static_cast<double>(reported);
}

void PromptCalibration::observe(uint64_t estimated, uint64_t reported) noexcept {
  if (estimated == 0 || reported == 0) return;
  const double ratio = static_cast<double>(reported) / static_cast<double>(estimated);
  const double heard = std::clamp(ratio, factor_ / 2, factor_ * 2);
  answers_ = std::min(answers_ + 1, kMemory);
  // The factor that it starts with counts like one answer.
  factor_ += (heard - factor_) / (answers_ + 1);
  factor_ = std::clamp(factor_, kFactorMin, kFactorMax);
}

uint64_t PromptCalibration::apply(uint64_t estimated) const noexcept {
  if (estimated == 0) return 0;
  const double tokens = std::ceil(static_cast<double>(estimated) * factor_);
  constexpr double kMost = static_cast<double>(config::LimitRule::kMostMax);
  return static_cast<uint64_t>(std::clamp(tokens, 1.0, kMost));
}

void OutputQuantile::observe(uint64_t tokens) noexcept {
  if (answers_[running_] == kPeriodAnswers) {
    running_ ^= 1;
    counts_[running_] = {};
    answers_[running_] = 0;
  }
  ++counts_[running_][step_of(tokens)];
  ++answers_[running_];
  ++since_;
  if (answers_[0] + answers_[1] < static_cast<int>(kAnswersMin)) return;
  if (quantile_ && since_ < kAnswersBetween) return;
  quantile_ = find_quantile();
  since_ = 0;
}

std::optional<uint64_t> OutputQuantile::p95() const noexcept { return quantile_; }

uint32_t OutputQuantile::step_of(uint64_t tokens) noexcept {
  tokens = std::min(tokens, kTokensMost);
  if (tokens >> kStepBits == 0) return static_cast<uint32_t>(tokens);
  const auto shift = static_cast<uint32_t>(std::bit_width(tokens)) - 1 - kStepBits;
  const auto within = static_cast<uint32_t>(tokens >> shift) & ((1u << kStepBits) - 1);
  return ((shift + 1) << kStepBits) + within;
}

uint64_t OutputQuantile::last_of(uint32_t step) noexcept {
  const uint32_t octave = step >> kStepBits;
  if (octave == 0) return step;
  const uint64_t within = step & ((1u << kStepBits) - 1);
  return (((uint64_t{1} << kStepBits) + within + 1) << (octave - 1)) - 1;
}

uint64_t OutputQuantile::find_quantile() const noexcept {
  const uint32_t answers = uint32_t{answers_[0]} + answers_[1];
  const uint32_t rank = (answers * 95 + 99) / 100;
  uint32_t seen = 0;
  for (uint32_t step = 0; step < kSteps; ++step) {
    seen += uint32_t{counts_[0][step]} + counts_[1][step];
    if (seen >= rank) return last_of(step);
  }
  return kTokensMost;
}

uint64_t reserve_output(config::Reserve mode, std::optional<uint64_t> client_max,
                        uint32_t model_max, const OutputQuantile& recent) noexcept {
  if (mode == config::Reserve::kNone) return 0;
  const uint64_t most = client_max.value_or(model_max);
  if (mode == config::Reserve::kMax) return most;
  return std::min(most, recent.p95().value_or(most));
}

}  // namespace sluice::usage
