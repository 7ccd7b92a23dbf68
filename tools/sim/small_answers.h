// The answers that are no generated text: errors, models, embeddings.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "body_fields.h"

namespace sluice::sim {

// {"error":{...}} as OpenAI writes it; `param` and `code` may be empty.
void render_error(std::string& out, std::string_view message, std::string_view type,
                  std::string_view param, std::string_view code);
// The same for a status that was asked for as a fault.
void render_status(std::string& out, uint16_t status);

void render_model(std::string& out, std::string_view id);
void render_models(std::string& out, std::span<const std::string> ids);

// One vector of length 1 for each input, the same for the same text; base64 of little-endian
// floats where it was asked for.
void render_embeddings(std::string& out, const BodyFields& fields, bool has_usage);

}  // namespace sluice::sim
