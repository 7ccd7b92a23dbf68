// Where the tokens of a JSON text begin: simdjson's first stage, chosen for this CPU at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace sluice::json {

// Finds every brace, bracket, colon, comma, opening quote and first byte of a bare scalar that
// stands outside a string. The first stage also refuses invalid UTF-8, unclosed strings and
// control characters within strings, so that who walks the tokens need not look into strings.
//
// Reused from text to text; owned by one shard.
class Structurals {
 public:
  enum class Fault : uint8_t { kNone, kSyntax, kUtf8, kMemory };

  Structurals();
  ~Structurals();
  Structurals(const Structurals&) = delete;
  Structurals& operator=(const Structurals&) = delete;

  // Allocates only for a text longer than any before it.
  [[nodiscard]] Fault index(std::string_view text) noexcept;

  // The result of the last successful index().
  [[nodiscard]] const uint32_t* positions() const noexcept;
  [[nodiscard]] uint32_t count() const noexcept;

  // What a text of `text_bytes` needs in all, and what is held now.
  [[nodiscard]] static size_t memory_needed(size_t text_bytes) noexcept;
  [[nodiscard]] size_t memory_bytes() const noexcept;

  // Frees the positions when they hold more than `bytes`.
  void release_above(size_t bytes) noexcept;

 private:
  struct Stage;
  std::unique_ptr<Stage> stage_;
};

}  // namespace sluice::json
