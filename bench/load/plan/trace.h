// Recorded traffic: when requests came, how long prompts and answers were, what prompts shared.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/clock.h>

namespace sluice::load {

struct TraceRecord {
  Duration at{0};  // From the first record's time.
  uint32_t prompt_tokens = 0;
  uint32_t answer_tokens = 0;
  uint32_t first_block = 0;  // Into Trace::blocks.
  uint32_t block_count = 0;
};

// Records in order of time. Equal block ids stand for equal text of kBlockTokens tokens.
struct Trace {
  static constexpr uint32_t kBlockTokens = 512;

  std::vector<TraceRecord> records;
  std::vector<uint64_t> blocks;

  [[nodiscard]] std::span<const uint64_t> blocks_of(const TraceRecord& record) const noexcept {
    return std::span(blocks).subspan(record.first_block, record.block_count);
  }
};

// Reads Azure's CSV (TIMESTAMP,ContextTokens,GeneratedTokens) or Mooncake's JSON lines (timestamp
// in ms, input_length, output_length, hash_ids); which one shows in the first byte. The error is
// "name:line: cause; remedy".
[[nodiscard]] std::expected<Trace, std::string> parse_trace(std::string_view text,
                                                            const std::string& name);

}  // namespace sluice::load
