#include "small_answers.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <vector>

#include <sluice/http/serializer.h>
#include <sluice/json/writer.h>

#include "json_walk.h"

namespace sluice::sim {
namespace {

constexpr uint64_t kFnvStart = 0xCBF29CE484222325u;

uint64_t hash(std::string_view text) noexcept {
  uint64_t value = kFnvStart;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return value;
}

std::vector<float> make_vector(std::string_view text, uint32_t dimensions) {
  std::vector<float> vector(dimensions);
  uint64_t state = hash(text) | 1;
  double square_sum = 0;
  for (float& value : vector) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    value = static_cast<float>(static_cast<double>(state >> 11) / 9007199254740992.0 * 2 - 1);
    square_sum += static_cast<double>(value) * value;
  }
  const double length = std::sqrt(square_sum);
  for (float& value : vector) value = static_cast<float>(value / (length > 0 ? length : 1));
  return vector;
}

void append_base64(std::string& out, std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = i; j < i + 3; ++j) {
      group = group << 8 | (j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0u);
    }
    for (size_t j = 0; j < 4; ++j) {
      const bool is_padding = i + j > bytes.size();
      out += is_padding ? '=' : kDigits[group >> (18 - 6 * j) & 63];
    }
  }
}

void append_vector(std::string& out, const std::vector<float>& vector, bool as_base64) {
  if (as_base64) {
    std::string bytes(vector.size() * sizeof(float), '\0');
    std::memcpy(bytes.data(), vector.data(), bytes.size());
    out += '"';
    append_base64(out, bytes);
    out += '"';
    return;
  }
  out += '[';
  for (size_t i = 0; i < vector.size(); ++i) {
    char digits[32];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, vector[i]);
    if (i > 0) out += ',';
    out.append(digits, end);
  }
  out += ']';
}

void append_embedding(std::string& out, size_t index, std::string_view input,
                      const BodyFields& fields) {
  if (index > 0) out += ',';
  out += R"({"object":"embedding","index":)";
  out += std::to_string(index);
  out += R"(,"embedding":)";
  append_vector(out, make_vector(input, fields.dimensions), fields.wants_base64);
  out += '}';
}

}  // namespace

void render_error(std::string& out, std::string_view message, std::string_view type,
                  std::string_view param, std::string_view code) {
  json::Writer writer(out);
  const auto text_or_null = [&writer](std::string_view text) {
    if (text.empty()) {
      writer.null();
    } else {
      writer.string(text);
    }
  };
  writer.begin_object().key("error").begin_object();
  writer.key("message").string(message).key("type").string(type);
  writer.key("param");
  text_or_null(param);
  writer.key("code");
  text_or_null(code);
  writer.end_object().end_object();
}

void render_status(std::string& out, uint16_t status) {
  const std::string message =
      "simulated status " + std::to_string(status) + " " + std::string(http::reason_phrase(status));
  switch (status) {
    case 401: return render_error(out, message, "invalid_request_error", {}, "invalid_api_key");
    case 404: return render_error(out, message, "invalid_request_error", {}, "model_not_found");
    case 429: return render_error(out, message, "requests", {}, "rate_limit_exceeded");
    default: break;
  }
  render_error(out, message, status >= 500 ? "server_error" : "invalid_request_error", {},
               "sim_status");
}

void render_model(std::string& out, std::string_view id) {
  json::Writer writer(out);
  writer.begin_object().key("id").string(id).key("object").string("model");
  writer.key("created").integer(1'700'000'000).key("owned_by").string("sluice-sim").end_object();
}

void render_models(std::string& out, std::span<const std::string> ids) {
  out += R"({"object":"list","data":[)";
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) out += ',';
    render_model(out, ids[i]);
  }
  out += "]}";
}

void render_embeddings(std::string& out, const BodyFields& fields, bool has_usage) {
  out += R"({"object":"list","data":[)";
  // An array of numbers is one input in tokens; any other array holds an input per element.
  JsonWalk walk(fields.input);
  size_t count = 0;
  bool has_next = walk.next();
  const bool is_one = !has_next || (walk.value().front() != '"' && walk.value().front() != '[');
  if (is_one) {
    append_embedding(out, count, fields.input, fields);
  } else {
    for (; has_next; has_next = walk.next()) append_embedding(out, count++, walk.value(), fields);
  }
  out += R"(],"model":)";
  out += json::quote(fields.model);
  if (has_usage) {
    const std::string tokens = std::to_string(prompt_tokens(fields));
    out += R"(,"usage":{"prompt_tokens":)" + tokens + R"(,"total_tokens":)" + tokens + "}";
  }
  out += '}';
}

}  // namespace sluice::sim
