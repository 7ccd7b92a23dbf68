#include <sluice/json/writer.h>

#include "phases.h"

namespace sluice::exchange {
namespace {

constexpr std::string_view kModelPrefix = "/v1/models/";
// Room for one model's object besides its name.
constexpr size_t kModelObjectBytes = 128;

void write_model(json::Writer& writer, std::string_view name) {
  writer.begin_object();
  writer.key("id").string(name);
  writer.key("object").string("model");
  writer.key("created").integer(0);
  writer.key("owned_by").string("sluice");
  writer.end_object();
}

// A name in a path may be percent-encoded, a slash in it for one. False when it is encoded wrongly
// or longer than any configured name.
bool decode_segment(std::string_view text, std::array<char, 256>& out, size_t& length) noexcept {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  length = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (length == out.size()) return false;
    if (text[i] != '%') {
      out[length++] = text[i];
      continue;
    }
    if (i + 2 >= text.size()) return false;
    const int high = digit(text[i + 1]), low = digit(text[i + 2]);
    if (high < 0 || low < 0) return false;
    out[length++] = static_cast<char>(high * 16 + low);
    i += 2;
  }
  return true;
}

Unexpected unknown_model() {
  return fail(ErrorCode::kModelNotFound, Side::kDownstream, "unknown model");
}

Result<std::string_view> write_models(const config::Snapshot& config, const Identity& identity,
                                      io::BlockPool& blocks, io::Block& block) {
  size_t bytes = kModelObjectBytes;
  for (const config::Model& model : config.models) {
    bytes += 6 * model.name.size() + kModelObjectBytes;  // Six: the longest escape of one byte.
  }
  block = blocks.take(bytes);
  if (!block.is_held()) {
    return fail(ErrorCode::kOverloaded, Side::kSelf, "byte budget is spent");
  }
  json::Writer writer(std::span<char>(block.data(), block.capacity()));
  writer.begin_object().key("object").string("list").key("data").begin_array();
  for (uint32_t i = 0; i < config.models.size(); ++i) {
    if (identity.may_use(config, ModelId{i})) write_model(writer, config.models[i].name);
  }
  writer.end_array().end_object();
  return writer.text();
}

Result<std::string_view> write_one_model(const config::Snapshot& config, const Identity& identity,
                                         std::string_view name, io::BlockPool& blocks,
                                         io::Block& block) {
  const ModelId model = config.find_model(name);
  // A model that the key may not use looks like one that does not exist.
  if (!model.is_valid() || !identity.may_use(config, model, name)) return unknown_model();
  block = blocks.take(6 * name.size() + kModelObjectBytes);
  if (!block.is_held()) {
    return fail(ErrorCode::kOverloaded, Side::kSelf, "byte budget is spent");
  }
  json::Writer writer(std::span<char>(block.data(), block.capacity()));
  write_model(writer, name);
  return writer.text();
}

}  // namespace

Task<Outcome<uint16_t>> answer_locally(Services& services, Generation& generation,
                                       Endpoint endpoint, const http::RequestHead& head,
                                       const Identity* identity, http::ResponseSink& client,
                                       HeadLines lines, Settlement& settlement) {
  io::Block block;
  Result<std::string_view> text = std::string_view();
  std::array<char, 256> name;
  size_t name_bytes = 0;
  uint16_t status = 200;
  switch (endpoint) {
    case Endpoint::kLivez: text = R"({"status":"live"})"; break;
    case Endpoint::kReadyz:
      status = services.is_draining ? 503 : 200;
      text = services.is_draining ? R"({"status":"draining"})" : R"({"status":"ready"})";
      break;
    case Endpoint::kModels:
      text = write_models(generation.config, *identity, services.blocks, block);
      break;
    default:
      if (!decode_segment(head.path.substr(kModelPrefix.size()), name, name_bytes)) {
        text = unknown_model();
      } else {
        text = write_one_model(generation.config, *identity, {name.data(), name_bytes},
                               services.blocks, block);
      }
  }
  if (!text) {
    // The name goes into the message before anything suspends.
    co_return std::unexpected(
        Refusal{text.error(),
                {.param = "model",
                 .model = head.path.substr(std::min(head.path.size(), kModelPrefix.size()))}});
  }
  settlement.note_status(status);
  const Duration retry_after = status == 503 ? seconds(1) : Duration::zero();
  co_await reply_json(services, client, lines, status, *text, retry_after);
  co_return status;
}

}  // namespace sluice::exchange
