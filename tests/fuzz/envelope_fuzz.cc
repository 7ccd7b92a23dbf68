// Any bytes: the envelope reader must accept exactly what a plain validator accepts, and an edited
// body must read back with the edits in it.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include <sluice/json/edit.h>
#include <sluice/json/envelope_reader.h>

#include "../support/strict_json.h"

namespace {

using sluice::json::EnvelopeReader;

constexpr uint32_t kDepthMax = 16;

void require(bool holds) {
  if (!holds) std::abort();
}

// A block of its own for each body, so that the sanitizer sees a read past the padding.
std::unique_ptr<char[]> padded(std::string_view body) {
  std::unique_ptr<char[]> block(new char[body.size() + EnvelopeReader::kPadding]);
  body.copy(block.get(), body.size());
  std::memset(block.get() + body.size(), '}', EnvelopeReader::kPadding);
  return block;
}

void check_edits(std::string_view body, const sluice::json::Envelope& envelope) {
  const auto plan = plan_body(body, envelope, {.model = "\"other\"", .include_usage = true});
  std::string edited;
  for (const std::string_view piece : plan.pieces()) edited += piece;
  require(edited.size() == plan.total_length());
  const auto block = padded(edited);
  EnvelopeReader reader;
  const auto again = reader.read({block.get(), edited.size()}, kDepthMax);
  // Adding stream_options to a flat body nests one level more than the body did, which a limit of
  // one would refuse; this one does not.
  require(again.has_value());
  require(again->model == "other");
  require(again->include_usage == sluice::json::IncludeUsage::kOn);
  require(again->stream == envelope.stream && again->n == envelope.n);
  require(again->output_tokens_max() == envelope.output_tokens_max());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static EnvelopeReader reader;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto block = padded(text);
  const std::string_view body(block.get(), size);
  const auto envelope = reader.read(body, kDepthMax);
  const bool is_json = envelope.has_value() ||
                       envelope.error().error.code != sluice::ErrorCode::kInvalidJson;
  const size_t begin = body.find_first_not_of(" \n\r\t");
  const bool is_object = begin != std::string_view::npos && body[begin] == '{';
  require(is_json == (is_object && sluice::support::is_strict_json(body, kDepthMax)));
  if (envelope) {
    require(body.substr(envelope->model_token.offset, envelope->model_token.length).front() == '"');
    check_edits(body, *envelope);
  }
  return 0;
}
