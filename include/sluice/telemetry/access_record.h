// What one exchange leaves behind for the access log: a value of fixed size, without heap memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

#include <sluice/base/bounded_text.h>
#include <sluice/base/clock.h>
#include <sluice/base/error.h>
#include <sluice/base/ip_class.h>
#include <sluice/metrics/labels.h>

namespace sluice::telemetry {

enum class Protocol : uint8_t { kHttp10, kHttp11, kHttp2 };

// Of an access record what has no length.
struct AccessFacts {
  WallTime at;                      // When the request began.
  std::optional<Ipv6Bytes> client;  // Its address, IPv4 as ::ffff:a.b.c.d; absent when not known.
  metrics::Endpoint endpoint = metrics::Endpoint::kOther;
  Protocol protocol = Protocol::kHttp11;
  uint16_t status = 0;  // 499 stands for a client that left before its answer began.
  std::optional<ErrorCode> error;
  bool is_stream = false;
  bool client_disconnected = false;
  bool usage_partial = false;
  std::optional<metrics::UsageSource> usage_source;  // Absent when no usage was expected.
  uint32_t attempts = 0;
  uint32_t priority = 0;
  uint32_t weight = 1;
  uint32_t queue_us = 0;  // In line for a place.

  std::string_view error_detail;  // Static storage; what the code alone does not say.
  uint64_t bytes_in = 0;          // Of the client's request, head and body.
  uint64_t bytes_out = 0;         // To the client.

  std::optional<uint64_t> input_tokens;
  std::optional<uint64_t> output_tokens;
  std::optional<uint64_t> cached_tokens;
  std::optional<uint64_t> reasoning_tokens;
  std::optional<int64_t> cost_micro_dollars;

  std::optional<uint32_t> connect_us;  // Absent when a pooled connection was used.
  std::optional<uint64_t> ttft_us;     // Absent when no event was sent.
  uint64_t duration_us = 0;
  uint64_t overhead_us = 0;
};

// Filled in by the phases, pushed once at settle. There is no field that could hold a prompt, an
// answer or a secret; every text is a name from the configuration or the checked request id.
// What is absent is left out of the line, never written as zero.
struct AccessRecord : AccessFacts {
  BoundedText<128> request_id;
  BoundedText<40> key;  // The key's name; empty for anonymous requests.
  BoundedText<32> tenant;
  BoundedText<80> model;           // The public name; empty when it is not known or not configured.
  BoundedText<40> upstream;        // Of the last attempt.
  BoundedText<40> served_model;    // When another model answered, by fallback; else empty.
  BoundedText<80> limit;           // That refused, or would have; else empty.
  BoundedText<256> script_fields;  // A JSON object of on_response, or empty.

  // To and from a slot of a ring. Only what is used is written, a third of the whole as a rule: the
  // ring goes round in memory that is not in the processor's nearest caches.
  static constexpr size_t kPackedMost =
      sizeof(AccessFacts) + decltype(request_id)::kPackedMost + decltype(key)::kPackedMost +
      decltype(tenant)::kPackedMost + decltype(model)::kPackedMost +
      decltype(upstream)::kPackedMost + decltype(served_model)::kPackedMost +
      decltype(limit)::kPackedMost + decltype(script_fields)::kPackedMost;
  void pack(std::byte* slot) const noexcept {
    const AccessFacts& facts = *this;
    std::memcpy(slot, &facts, sizeof(AccessFacts));
    slot += sizeof(AccessFacts);
    each_text(*this, [&slot](const auto& text) { slot = text.pack(slot); });
  }
  void unpack(const std::byte* slot) noexcept {
    AccessFacts facts;
    std::memcpy(&facts, slot, sizeof(AccessFacts));
    static_cast<AccessFacts&>(*this) = facts;
    slot += sizeof(AccessFacts);
    each_text(*this, [&slot](auto& text) { slot = text.unpack(slot); });
  }

 private:
  template <class Record, class Visit>
  static void each_text(Record& record, Visit visit) noexcept {
    visit(record.request_id), visit(record.key), visit(record.tenant), visit(record.model);
    visit(record.upstream), visit(record.served_model), visit(record.limit);
    visit(record.script_fields);
  }
};
static_assert(std::is_trivially_copyable_v<AccessRecord>);
static_assert(sizeof(AccessRecord) <= 920);

}  // namespace sluice::telemetry
