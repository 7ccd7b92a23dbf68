#include <sluice/json/envelope_reader.h>

#include <algorithm>
#include <span>

#include "escapes.h"
#include "structurals.h"
#include "token_cursor.h"

namespace sluice::json {

namespace {

enum class Field : uint8_t {
  kModel,
  kStream,
  kStreamOptions,
  kMaxTokens,
  kMaxCompletionTokens,
  kMaxOutputTokens,
  kN,
  kUser,
  kPromptCacheKey,
  kPrompt,  // Goes by several names.
  kOther,
};

constexpr std::array<std::string_view, 9> kFieldNames = {"model",
                                                         "stream",
                                                         "stream_options",
                                                         "max_tokens",
                                                         "max_completion_tokens",
                                                         "max_output_tokens",
                                                         "n",
                                                         "user",
                                                         "prompt_cache_key"};
constexpr std::array<std::string_view, 3> kPromptNames = {"messages", "prompt", "input"};
constexpr std::string_view kIncludeUsage = "include_usage";
constexpr size_t kNameBytesMax = 21;

// A name with every character spelled as \uXXXX is six times as long.
constexpr size_t kRawNameBytesMax = 6 * kNameBytesMax;

// Resolves the escapes of a key when it could be one that we look for.
std::string_view plain_key(std::string_view raw, std::span<char, kRawNameBytesMax> out) noexcept {
  if (raw.size() > kRawNameBytesMax || raw.find('\\') == std::string_view::npos) return raw;
  return {out.data(), unescape(raw, out)};
}

// No two names are of the same length, so a length leaves one to compare with.
constexpr auto kFieldOfLength = [] {
  std::array<Field, kNameBytesMax + 1> fields;
  fields.fill(Field::kOther);
  for (size_t i = 0; i < kFieldNames.size(); ++i) {
    Field& field = fields[kFieldNames[i].size()];
    if (field != Field::kOther) throw "two names of one length";
    field = static_cast<Field>(i);
  }
  return fields;
}();

Field find_field(std::string_view raw_key) noexcept {
  const auto find = [](std::string_view key) {
    if (key.size() > kNameBytesMax) return Field::kOther;
    const Field field = kFieldOfLength[key.size()];
    if (field != Field::kOther && key == kFieldNames[static_cast<size_t>(field)]) return field;
    return std::ranges::find(kPromptNames, key) == kPromptNames.end() ? Field::kOther
                                                                      : Field::kPrompt;
  };
  if (const Field field = find(raw_key); field != Field::kOther) return field;
  std::array<char, kRawNameBytesMax> scratch;
  const std::string_view key = plain_key(raw_key, scratch);
  return key.size() == raw_key.size() ? Field::kOther : find(key);
}

bool is_include_usage(std::string_view raw_key) noexcept {
  std::array<char, kRawNameBytesMax> scratch;
  return plain_key(raw_key, scratch) == kIncludeUsage;
}

// One walk over one body. A wrong type is remembered and the walk goes on: a body that is no JSON
// at all is always refused as such.
class EnvelopeWalk {
 public:
  EnvelopeWalk(std::string_view body, const Structurals& structurals, uint32_t depth_max,
               std::span<char, EnvelopeReader::kModelBytesMax> model) noexcept
      : body_(body), cursor_(body, structurals, depth_max), model_(model) {}

  std::expected<Envelope, EnvelopeError> run() noexcept {
    if (cursor_.peek() != '{') {
      const bool is_json = cursor_.skip_value() && cursor_.at_end();
      return is_json ? invalid("the body is not a JSON object") : syntax_fault();
    }
    envelope_.members_begin = cursor_.offset() + 1;
    if (!cursor_.enter_object()) return syntax_fault();
    bool is_first = true;
    std::string_view key;
    while (true) {
      const TokenCursor::Step step = cursor_.next_member(is_first, key);
      if (step == TokenCursor::Step::kFault) return syntax_fault();
      if (step == TokenCursor::Step::kEnd) break;
      if (!read_member(find_field(key))) return syntax_fault();
    }
    if (!cursor_.at_end()) return syntax_fault();
    if (refusal_) return std::unexpected(*refusal_);
    if (!was_seen(Field::kModel)) {
      return std::unexpected(EnvelopeError{
          {ErrorCode::kMissingParameter, Side::kDownstream, Retry::kNever, "model is missing"},
          "model",
          0});
    }
    return envelope_;
  }

 private:
  using Outcome = std::expected<Envelope, EnvelopeError>;

  Outcome invalid(std::string_view detail) const noexcept {
    return std::unexpected(EnvelopeError{
        {ErrorCode::kInvalidJson, Side::kDownstream, Retry::kNever, detail}, {}, cursor_.offset()});
  }
  Outcome syntax_fault() const noexcept {
    return invalid(cursor_.is_too_deep() ? "nested too deeply" : "syntax error");
  }

  bool was_seen(Field field) const noexcept {
    return (seen_ >> static_cast<unsigned>(field) & 1) != 0;
  }

  void refuse(std::string_view param, std::string_view detail) noexcept {
    if (refusal_) return;
    refusal_ =
        EnvelopeError{{ErrorCode::kUnsupportedValue, Side::kDownstream, Retry::kNever, detail},
                      param,
                      cursor_.offset()};
  }

  // False on a syntax fault only, like all that follow.
  bool read_member(Field field) noexcept {
    if (field == Field::kOther) return cursor_.skip_value();
    if (field == Field::kPrompt) return read_prompt();
    const std::string_view name = kFieldNames[static_cast<size_t>(field)];
    if (was_seen(field)) {
      refuse(name, "given twice");
      return cursor_.skip_value();
    }
    seen_ |= 1u << static_cast<unsigned>(field);
    if (field == Field::kStreamOptions) return read_stream_options();
    std::string_view token;
    if (!cursor_.take_value(token)) return false;
    switch (field) {
      case Field::kModel: read_model(token); break;
      case Field::kStream:
        if (token == "true")
          envelope_.stream = true;
        else if (token != "false" && token != "null")
          refuse(name, "not a boolean");
        break;
      case Field::kMaxTokens: read_count(name, token, envelope_.max_tokens); break;
      case Field::kMaxCompletionTokens:
        read_count(name, token, envelope_.max_completion_tokens);
        break;
      case Field::kMaxOutputTokens: read_count(name, token, envelope_.max_output_tokens); break;
      case Field::kN: read_count(name, token, envelope_.n); break;
      case Field::kUser: read_text(name, token, envelope_.user); break;
      case Field::kPromptCacheKey: read_text(name, token, envelope_.prompt_cache_key); break;
      case Field::kStreamOptions:
      case Field::kPrompt:
      case Field::kOther: break;
    }
    return true;
  }

  void read_model(std::string_view token) noexcept {
    const auto raw = string_inside(token);
    if (!raw) return refuse("model", "not a string");
    if (raw->size() > EnvelopeReader::kModelBytesMax) return refuse("model", "too long");
    envelope_.model_token = range_of(token);
    const bool is_plain = raw->find('\\') == std::string_view::npos;
    envelope_.model = is_plain ? *raw : std::string_view(model_.data(), unescape(*raw, model_));
  }

  void read_text(std::string_view name, std::string_view token, std::string_view& out) noexcept {
    if (const auto text = string_inside(token))
      out = *text;
    else if (token != "null")
      refuse(name, "not a string");
  }

  // Whatever it holds is the upstream's to judge.
  bool read_prompt() noexcept {
    const size_t begin = cursor_.offset();
    if (!cursor_.skip_value()) return false;
    if (envelope_.prompt.length == 0) {
      envelope_.prompt = {begin, cursor_.offset() - begin};
    } else {
      envelope_.prompt_repeats = true;
    }
    return true;
  }

  void read_count(std::string_view name, std::string_view token,
                  std::optional<uint64_t>& out) noexcept {
    if (token == "null") return;
    out = unsigned_value(token);
    if (!out) refuse(name, "not an unsigned integer");
  }

  bool read_stream_options() noexcept {
    const size_t begin = cursor_.offset();
    if (cursor_.peek() != '{') {
      std::string_view token;
      if (!cursor_.take_value(token)) return false;
      envelope_.stream_options = StreamOptions::kNull;
      envelope_.stream_options_token = range_of(token);
      if (token != "null") refuse("stream_options", "not an object");
      return true;
    }
    if (!cursor_.enter_object()) return false;
    envelope_.stream_options = StreamOptions::kObject;
    envelope_.stream_options_empty = cursor_.peek() == '}';
    bool is_first = true;
    std::string_view key;
    while (true) {
      const size_t at = cursor_.offset();
      const TokenCursor::Step step = cursor_.next_member(is_first, key);
      if (step == TokenCursor::Step::kFault) return false;
      if (step == TokenCursor::Step::kEnd) {
        envelope_.stream_options_token = {begin, at + 1 - begin};
        return true;
      }
      std::string_view token;
      if (!cursor_.take_value(token)) return false;
      if (is_include_usage(key)) read_include_usage(token);
    }
  }

  void read_include_usage(std::string_view token) noexcept {
    constexpr std::string_view kParam = "stream_options.include_usage";
    if (envelope_.include_usage != IncludeUsage::kAbsent) return refuse(kParam, "given twice");
    envelope_.include_usage = token == "true" ? IncludeUsage::kOn : IncludeUsage::kOff;
    envelope_.include_usage_token = range_of(token);
    if (token != "true" && token != "false" && token != "null") refuse(kParam, "not a boolean");
  }

  ByteRange range_of(std::string_view token) const noexcept {
    return {static_cast<size_t>(token.data() - body_.data()), token.size()};
  }

  std::string_view body_;
  TokenCursor cursor_;
  std::span<char, EnvelopeReader::kModelBytesMax> model_;
  Envelope envelope_;
  uint32_t seen_ = 0;  // One bit per Field.
  std::optional<EnvelopeError> refusal_;
};

std::unexpected<EnvelopeError> not_json(std::string_view detail, size_t offset) noexcept {
  return std::unexpected(EnvelopeError{
      {ErrorCode::kInvalidJson, Side::kDownstream, Retry::kNever, detail}, {}, offset});
}

}  // namespace

std::optional<uint64_t> Envelope::output_tokens_max() const noexcept {
  return std::max({max_tokens, max_completion_tokens, max_output_tokens});
}

EnvelopeReader::EnvelopeReader() : structurals_(std::make_unique<Structurals>()) {}
EnvelopeReader::~EnvelopeReader() = default;

std::expected<Envelope, EnvelopeError> EnvelopeReader::read(std::string_view body,
                                                            uint32_t depth_max) noexcept {
  switch (structurals_->index(body)) {
    case Structurals::Fault::kNone: break;
    case Structurals::Fault::kSyntax: return not_json("syntax error in a string, or no value", 0);
    case Structurals::Fault::kUtf8: return not_json("invalid UTF-8", 0);
    case Structurals::Fault::kMemory:
      return std::unexpected(EnvelopeError{
          {ErrorCode::kOverloaded, Side::kSelf, Retry::kNever, "no memory to read the body"},
          {},
          0});
  }
  const size_t bad_escape = find_bad_escape(body);
  if (bad_escape != std::string_view::npos) return not_json("invalid escape", bad_escape);
  return EnvelopeWalk(body, *structurals_, depth_max, model_).run();
}

size_t EnvelopeReader::memory_needed(size_t body_bytes) noexcept {
  return Structurals::memory_needed(body_bytes);
}

size_t EnvelopeReader::memory_bytes() const noexcept { return structurals_->memory_bytes(); }

void EnvelopeReader::release_above(size_t bytes) noexcept { structurals_->release_above(bytes); }

}  // namespace sluice::json
