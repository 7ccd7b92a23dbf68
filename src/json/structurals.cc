#include "structurals.h"

#include <bit>

#include <simdjson.h>

namespace sluice::json {

namespace {

// Small texts share one size, so that the first few requests of a shard do not each grow it.
constexpr size_t kCapacityMin = 64 * 1024;

// The first stage needs no stack of open containers; simdjson refuses to allocate none.
constexpr size_t kDepth = 1;

size_t capacity_for(size_t text_bytes) noexcept {
  return text_bytes <= kCapacityMin ? kCapacityMin : std::bit_ceil(text_bytes);
}

}  // namespace

// simdjson's On-Demand reader is compiled into its user for one CPU and leaves unread what it
// skips. Its first stage is compiled into the library for every CPU and chosen at run time, so it
// is called here directly, and the walk over its positions is our own.
struct Structurals::Stage {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
  size_t capacity = 0;
};

Structurals::Structurals() : stage_(std::make_unique<Stage>()) {}
Structurals::~Structurals() = default;

Structurals::Fault Structurals::index(std::string_view text) noexcept {
  if (text.size() > simdjson::SIMDJSON_MAXSIZE_BYTES / 2) return Fault::kMemory;
  if (text.size() > stage_->capacity) {
    const size_t capacity = capacity_for(text.size());
    stage_->parser.reset();
    stage_->capacity = 0;
    const auto error = simdjson::get_active_implementation()->create_dom_parser_implementation(
        capacity, kDepth, stage_->parser);
    if (error != simdjson::SUCCESS) return Fault::kMemory;
    stage_->capacity = capacity;
  }
  if (text.empty()) return Fault::kSyntax;
  switch (stage_->parser->stage1(reinterpret_cast<const uint8_t*>(text.data()), text.size(),
                                 simdjson::stage1_mode::regular)) {
    case simdjson::SUCCESS: return Fault::kNone;
    case simdjson::UTF8_ERROR: return Fault::kUtf8;
    default: return Fault::kSyntax;
  }
}

const uint32_t* Structurals::positions() const noexcept {
  return stage_->parser->structural_indexes.get();
}

uint32_t Structurals::count() const noexcept { return stage_->parser->n_structural_indexes; }

size_t Structurals::memory_needed(size_t text_bytes) noexcept {
  return capacity_for(text_bytes) * sizeof(uint32_t);
}

size_t Structurals::memory_bytes() const noexcept {
  return stage_->capacity * sizeof(uint32_t);
}

void Structurals::release_above(size_t bytes) noexcept {
  if (memory_bytes() <= bytes) return;
  stage_->parser.reset();
  stage_->capacity = 0;
}

}  // namespace sluice::json
