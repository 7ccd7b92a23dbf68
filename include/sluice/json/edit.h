// What to send instead of a body: pieces of it, byte for byte, with a few literals between them.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include <sluice/json/envelope_reader.h>

namespace sluice::json {

struct BodyEdit {
  std::string_view model;      // A JSON string with its quotes; empty keeps the client's.
  bool include_usage = false;  // Make stream_options ask for the usage.
};

// The edited body as slices, in order. Points into the body and the edit's model, which must live
// as long; everything else is static.
class BodyPlan {
 public:
  static constexpr size_t kPiecesMax = 5;  // Two edits and what lies around them.

  [[nodiscard]] std::span<const std::string_view> pieces() const noexcept {
    return {pieces_.data(), count_};
  }
  [[nodiscard]] size_t total_length() const noexcept { return total_length_; }

  // Appends a piece unless it is empty.
  void add(std::string_view piece) noexcept;

 private:
  std::array<std::string_view, kPiecesMax> pieces_;
  size_t count_ = 0;
  size_t total_length_ = 0;
};

// `envelope` must be what was read from `body`. Without an edit the plan is the body itself.
[[nodiscard]] BodyPlan plan_body(std::string_view body, const Envelope& envelope,
                                 const BodyEdit& edit) noexcept;

}  // namespace sluice::json
