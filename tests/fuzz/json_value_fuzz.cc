// A JSON text becomes a tree exactly when a plain validator takes it and no member repeats; written
// again the tree is the same, and whatever bytes are quoted are a valid string.
#include <sluice/json/value.h>
#include <sluice/json/writer.h>

#include <algorithm>
#include <set>

#include "../support/strict_json.h"
#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using fuzz::expect;

constexpr uint32_t kDepthMax = 16;

bool is_equal(const json::Value& left, const json::Value& right) {
  if (const json::Array* array = left.as_array()) {
    return right.as_array() != nullptr && std::ranges::equal(*array, *right.as_array(), is_equal);
  }
  if (const json::Object* object = left.as_object()) {
    return right.as_object() != nullptr &&
           std::ranges::equal(*object, *right.as_object(), [](const auto& a, const auto& b) {
             return a.name == b.name && is_equal(a.value, b.value);
           });
  }
  if (const std::string* text = left.as_string()) {
    return right.as_string() != nullptr && *text == *right.as_string();
  }
  double a = 0;
  double b = 0;
  if (left.as_number(a)) return right.as_number(b) && a == b;
  return left.kind_name() == right.kind_name();
}

size_t count(const json::Value& value, uint32_t depth) {
  expect(depth <= kDepthMax, "a tree is no deeper than its bound");
  size_t values = 1;
  if (const json::Array* array = value.as_array()) {
    for (const json::Value& item : *array) values += count(item, depth + 1);
  }
  if (const json::Object* object = value.as_object()) {
    std::set<std::string_view> names;
    for (const json::Member& member : *object) {
      expect(names.insert(member.name).second, "each name stands once");
      expect(value.find(member.name) == &member.value, "members are found");
      values += count(member.value, depth + 1);
    }
  }
  return values;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::vector<char> copy(bytes, bytes + size);
  const std::string_view text = fuzz::view_of(copy);
  const json::ValueLimits limits = {.bytes_max = 1u << 16, .depth_max = kDepthMax};
  const auto value = json::parse_value(text, limits);
  const std::string quoted = json::quote(text);
  expect(support::is_strict_json(quoted, kDepthMax), "what is quoted is a string");
  if (!value) {
    expect(!value.error().empty(), "a fault says what it is");
    return 0;
  }
  expect(support::is_strict_json(text, kDepthMax + 1), "what is taken is JSON");
  expect(count(*value, 0) <= text.size(), "a tree has no more values than its text has bytes");
  std::string written;
  value->write(written);
  const auto again = json::parse_value(written, {.bytes_max = 1u << 20, .depth_max = kDepthMax});
  expect(again.has_value() && is_equal(*value, *again), "a tree reads back");
  // A zero may lose its sign on the way, once.
  std::string twice;
  again->write(twice);
  const auto third = json::parse_value(twice, {.bytes_max = 1u << 20, .depth_max = kDepthMax});
  std::string thrice;
  if (third) third->write(thrice);
  expect(third && thrice == twice, "and is then written alike");
  return 0;
}
