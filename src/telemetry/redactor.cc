#include <sluice/telemetry/redactor.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <mutex>
#include <utility>

#include <re2/re2.h>

namespace sluice::telemetry {
namespace {

// Of one pattern's program and automata; more than the configuration allows to compile.
constexpr int64_t kRegexMemoryMax = 1 << 20;
constexpr int kGroupsMax = 16;  // Further groups of a pattern count as part of the whole.

// One alternation, so that a line without secrets is read once for all of them.
constexpr const char* kBuiltIn =
    R"((\bsk-[A-Za-z0-9_\-]{8,}))"
    R"(|(?i:\b(?:bearer|basic)[ \t]+([A-Za-z0-9._~+/=\-]{8,})))"
    R"(|(?i:(?:\b|_)api[_\-]?key\\?["']?[ \t]*[:=][ \t]*\\?["']?([^ \t\r\n"'\\,;&]{8,})))"
    R"(|(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[^"\n]*(?:\n[A-Za-z0-9+/=\-][^"\n]*)*))"
    R"(|(?i:[a-z][a-z0-9+.\-]*://[^ \t\r\n/:"]*:([^ \t\r\n"]+)@))";

// Whether a built-in pattern could match: each needs one of these, letters in either case. A line
// without, as most are, is spared the automaton (bench/micro/telemetry, redact_line).
bool may_match_built_in(std::string_view text) noexcept {
  if (text.size() < 3) return false;
  const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
  unsigned char found = 0;
  // No early end, so that the compiler makes it a loop over vectors.
  for (size_t i = 0; i < text.size() - 2; ++i) {
    const unsigned char a = bytes[i], b = bytes[i + 1], c = bytes[i + 2];
    const unsigned char x = a | 0x20u, y = b | 0x20u, z = c | 0x20u;
    const bool is_space = (c == ' ') | (c == '\t');
    const auto is = [](bool first, bool second, bool third) {
      return static_cast<unsigned char>(first & second & third);
    };
    found |= is(a == 's', b == 'k', c == '-') | is(a == ':', b == '/', c == '/') |
             is(a == '-', b == '-', c == '-') | is(x == 'a', y == 'p', z == 'i') |
             is(x == 'e', y == 'r', is_space) | is(x == 'i', y == 'c', is_space);
  }
  return found != 0;
}

struct Span {
  size_t begin;
  size_t end;
};

RE2::Options options() {
  RE2::Options options(RE2::Latin1);
  options.set_log_errors(false);
  options.set_max_mem(kRegexMemoryMax);
  return options;
}

// The text without the spans, which are in order and do not overlap.
std::string strike_out(const std::string& text, const std::vector<Span>& spans) {
  std::string out;
  out.reserve(text.size());
  size_t from = 0;
  for (const Span& span : spans) {
    out.append(text, from, span.begin - from);
    out += kRedacted;
    from = span.end;
  }
  return out.append(text, from);
}

// The length of the character or escape of a JSON string at `at`.
size_t token_bytes(const std::string& text, size_t at) {
  if (text[at] != '\\') return 1;
  const size_t bytes = at + 1 < text.size() && text[at + 1] == 'u' ? 6 : 2;
  return std::min(bytes, text.size() - at);
}

// Whether the string whose first quote is at `at` is a member's name.
bool is_name(const std::string& text, size_t at) {
  for (++at; at < text.size() && text[at] != '"';) at += token_bytes(text, at);
  return at + 1 < text.size() && text[at + 1] == ':';
}

// The same, but of the spans only what lies within JSON strings that are values.
std::string strike_out_json(const std::string& text, const std::vector<Span>& spans) {
  std::string out;
  out.reserve(text.size());
  bool is_string = false;
  bool is_value = false;
  bool is_struck = false;
  size_t span = 0;
  for (size_t at = 0; at < text.size();) {
    const char byte = text[at];
    if (!is_string || byte == '"') {
      if (byte == '"') {
        is_string = !is_string;
        is_value = is_string && !is_name(text, at);
      }
      is_struck = false;
      out += byte;
      ++at;
      continue;
    }
    const size_t end = at + token_bytes(text, at);
    while (span < spans.size() && spans[span].end <= at) ++span;
    if (is_value && span < spans.size() && spans[span].begin < end) {
      if (!is_struck) out += kRedacted;
      is_struck = true;
    } else {
      is_struck = false;
      out.append(text, at, end - at);
    }
    at = end;
  }
  return out;
}

}  // namespace

struct Redactor::Pattern {
  explicit Pattern(const std::string& text)
      : regex(text, options()), groups(std::min(regex.NumberOfCapturingGroups(), kGroupsMax)) {}

  // What is to be struck out of `text`, in order.
  [[nodiscard]] std::vector<Span> find(const std::string& text) const;
  void add(const std::string& text, std::span<const re2::StringPiece> found,
           std::vector<Span>& spans) const;

  RE2 regex;
  int groups;
};

std::vector<Span> Redactor::Pattern::find(const std::string& text) const {
  std::vector<Span> spans;
  std::array<re2::StringPiece, kGroupsMax + 1> found;
  size_t from = 0;
  while (from <= text.size() &&
         regex.Match(text, from, text.size(), RE2::UNANCHORED, found.data(), groups + 1)) {
    const auto end = static_cast<size_t>(found[0].data() - text.data()) + found[0].size();
    add(text, found, spans);
    from = found[0].empty() ? end + 1 : end;
  }
  return spans;
}

void Redactor::Pattern::add(const std::string& text, std::span<const re2::StringPiece> found,
                            std::vector<Span>& spans) const {
  const auto add_one = [&](const re2::StringPiece& piece) {
    const auto begin = static_cast<size_t>(piece.data() - text.data());
    // Groups within groups are struck out with the outer one.
    if (piece.empty() || (!spans.empty() && begin < spans.back().end)) return;
    spans.push_back({begin, begin + piece.size()});
  };
  const size_t before = spans.size();
  for (int group = 1; group <= groups; ++group) {
    if (found[static_cast<size_t>(group)].data() != nullptr) {
      add_one(found[static_cast<size_t>(group)]);
    }
  }
  if (spans.size() == before) add_one(found[0]);
}

Redactor::Redactor() : built_in_(std::make_unique<const Pattern>(kBuiltIn)) {}

Redactor::~Redactor() = default;

void Redactor::set_patterns(std::span<const std::string> texts) {
  {
    const std::shared_lock lock(mutex_);
    if (std::ranges::equal(texts, texts_)) return;
  }
  Patterns compiled;
  for (const std::string& text : texts.first(std::min(texts.size(), kPatternsMax))) {
    // `^` and `$` are the ends of a line.
    auto pattern = std::make_unique<const Pattern>("(?m:" + text + ")");
    if (pattern->regex.ok()) compiled.push_back(std::move(pattern));
  }
  const std::unique_lock lock(mutex_);
  texts_.assign(texts.begin(), texts.end());
  patterns_ = std::move(compiled);
}

void Redactor::redact(std::string& text) const {
  const auto apply = [&text](const Pattern& pattern) {
    const std::vector<Span> spans = pattern.find(text);
    if (!spans.empty()) text = strike_out(text, spans);
  };
  if (may_match_built_in(text)) apply(*built_in_);
  const std::shared_lock lock(mutex_);
  for (const auto& pattern : patterns_) apply(*pattern);
}

void Redactor::redact_json(std::string& lines) const {
  const auto apply = [&lines](const Pattern& pattern) {
    const std::vector<Span> spans = pattern.find(lines);
    if (!spans.empty()) lines = strike_out_json(lines, spans);
  };
  if (may_match_built_in(lines)) apply(*built_in_);
  const std::shared_lock lock(mutex_);
  for (const auto& pattern : patterns_) apply(*pattern);
}

}  // namespace sluice::telemetry
