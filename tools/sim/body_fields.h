// What the simulated server reads of a request's body.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include <sluice/json/envelope_reader.h>

namespace sluice::sim {

// Why a body is answered with 400.
struct BodyFault {
  std::string_view message;  // Static storage.
  std::string_view param;    // Static storage; may be empty.
};

// Views point into the body, raw as they stand there. What is absent is empty.
struct BodyFields {
  std::string model;  // Without escapes.
  bool stream = false;
  bool include_usage = false;
  std::optional<uint64_t> tokens_max;
  uint32_t choices = 1;
  std::string_view input;         // messages, prompt or input: the whole value.
  std::string_view last_content;  // Between the quotes of the last message, prompt or input.
  std::string_view tool_name;     // Of the tool that is to be called; empty when none is.
  bool wants_json = false;
  bool wants_base64 = false;
  uint32_t dimensions = 256;
};

// Accepts what a strict server accepts: valid JSON, an object, with a model. 64 bytes behind `body`
// must be readable.
[[nodiscard]] std::expected<BodyFields, BodyFault> read_body_fields(json::EnvelopeReader& reader,
                                                                    std::string_view body);

// One token for every four bytes of what was asked, at least one.
[[nodiscard]] uint64_t prompt_tokens(const BodyFields& fields) noexcept;

}  // namespace sluice::sim
