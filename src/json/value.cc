#include <sluice/json/value.h>

#include <algorithm>
#include <cmath>

#include <simdjson.h>

#include <sluice/json/writer.h>

namespace sluice::json {
namespace {

namespace dom = simdjson::dom;

constexpr double kWholeMost = 9007199254740992.0;  // 2^53: above it doubles skip integers.

class Builder {
 public:
  explicit Builder(const ValueLimits& limits) noexcept : limits_(limits) {}

  std::expected<Value, std::string_view> build(dom::element from) {
    if (++values_ > limits_.values_max) return std::unexpected("it has too many values");
    switch (from.type()) {
      case dom::element_type::ARRAY: return build_array(from.get_array().value_unsafe());
      case dom::element_type::OBJECT: return build_object(from.get_object().value_unsafe());
      case dom::element_type::INT64: return Value(from.get_int64().value_unsafe());
      case dom::element_type::UINT64: return Value(from.get_uint64().value_unsafe());
      case dom::element_type::DOUBLE: return Value(from.get_double().value_unsafe());
      case dom::element_type::STRING: return Value(std::string(from.get_string().value_unsafe()));
      case dom::element_type::BOOL: return Value(from.get_bool().value_unsafe());
      case dom::element_type::NULL_VALUE: break;
    }
    return Value();
  }

 private:
  std::expected<Value, std::string_view> build_array(dom::array from) {
    Array array;
    for (const dom::element item : from) {
      auto value = build(item);
      if (!value) return value;
      array.push_back(std::move(*value));
    }
    return Value(std::move(array));
  }

  std::expected<Value, std::string_view> build_object(dom::object from) {
    Object object;
    for (const dom::key_value_pair pair : from) {
      auto value = build(pair.value);
      if (!value) return value;
      object.push_back({std::string(pair.key), std::move(*value)});
    }
    if (has_repeated_name(object)) return std::unexpected("an object has a member twice");
    return Value(std::move(object));
  }

  static bool has_repeated_name(const Object& object) {
    std::vector<std::string_view> names;
    names.reserve(object.size());
    for (const Member& member : object) names.push_back(member.name);
    std::ranges::sort(names);
    return std::ranges::adjacent_find(names) != names.end();
  }

  const ValueLimits& limits_;
  size_t values_ = 0;
};

void write_to(Writer& writer, const Value& value);

struct WriteContent {
  Writer& writer;
  void operator()(std::monostate) const { writer.null(); }
  void operator()(bool value) const { writer.boolean(value); }
  void operator()(int64_t value) const { writer.integer(value); }
  void operator()(uint64_t value) const { writer.unsigned_integer(value); }
  void operator()(double value) const { writer.number(value); }
  void operator()(const std::string& value) const { writer.string(value); }
  void operator()(const Array& array) const {
    writer.begin_array();
    for (const Value& item : array) write_to(writer, item);
    writer.end_array();
  }
  void operator()(const Object& object) const {
    writer.begin_object();
    for (const Member& member : object) {
      writer.key(member.name);
      write_to(writer, member.value);
    }
    writer.end_object();
  }
};

void write_to(Writer& writer, const Value& value) {
  std::visit(WriteContent{writer}, value.content());
}

}  // namespace

Value::Value(Content content) : content_(std::move(content)) {}

bool Value::is_null() const noexcept { return std::holds_alternative<std::monostate>(content_); }

const bool* Value::as_boolean() const noexcept { return std::get_if<bool>(&content_); }
const std::string* Value::as_string() const noexcept { return std::get_if<std::string>(&content_); }
const Array* Value::as_array() const noexcept { return std::get_if<Array>(&content_); }
const Object* Value::as_object() const noexcept { return std::get_if<Object>(&content_); }

bool Value::as_number(double& out) const noexcept {
  if (const auto* integer = std::get_if<int64_t>(&content_)) {
    out = static_cast<double>(*integer);
  } else if (const auto* large = std::get_if<uint64_t>(&content_)) {
    out = static_cast<double>(*large);
  } else if (const auto* real = std::get_if<double>(&content_)) {
    out = *real;
  } else {
    return false;
  }
  return true;
}

bool Value::as_integer(int64_t& out) const noexcept {
  if (const auto* integer = std::get_if<int64_t>(&content_)) {
    out = *integer;
    return true;
  }
  const auto* real = std::get_if<double>(&content_);
  if (real == nullptr || std::abs(*real) > kWholeMost || std::trunc(*real) != *real) return false;
  out = static_cast<int64_t>(*real);
  return true;
}

const Value* Value::find(std::string_view name) const noexcept {
  const Object* object = as_object();
  if (object == nullptr) return nullptr;
  const auto found = std::ranges::find(*object, name, &Member::name);
  return found == object->end() ? nullptr : &found->value;
}

std::string_view Value::kind_name() const noexcept {
  constexpr std::string_view kNames[] = {"null",     "a boolean", "a number", "a number",
                                         "a number", "a string",  "an array", "an object"};
  return kNames[content_.index()];
}

void Value::write(std::string& out) const {
  Writer writer(out);
  write_to(writer, *this);
}

std::expected<Value, std::string_view> parse_value(std::string_view text,
                                                   const ValueLimits& limits) {
  if (text.size() > limits.bytes_max) return std::unexpected("it is too long");
  // simdjson copies from where it is, which for an empty view may be nowhere.
  if (text.empty()) return std::unexpected("it is empty");
  // simdjson finds too deep a nesting itself; depth counts the document's own level, too.
  dom::parser parser(limits.bytes_max + simdjson::SIMDJSON_PADDING);
  if (parser.allocate(std::max<size_t>(text.size(), 64), limits.depth_max + 1) !=
      simdjson::SUCCESS) {
    return std::unexpected("there is no memory for it");
  }
  dom::element root;
  const auto error = parser.parse(text.data(), text.size(), true).get(root);
  if (error == simdjson::DEPTH_ERROR) return std::unexpected("it is nested too deeply");
  if (error == simdjson::UTF8_ERROR) return std::unexpected("it is not UTF-8");
  if (error == simdjson::EMPTY) return std::unexpected("it is empty");
  if (error != simdjson::SUCCESS) return std::unexpected("it is not valid JSON");
  return Builder(limits).build(root);
}

}  // namespace sluice::json
