// Where spend records of a predecessor go.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::control {

// The first byte of a message that carries a batch; others begin with a brace.
inline constexpr char kRecordsMark = 'R';

// Implemented by app.
class SpendHeir {
 public:
  enum class Fate : uint8_t {
    kTaken,
    kLater,  // The successor is behind.
    kGone,   // There is no successor any more.
  };
  // Bytes of one message.
  static constexpr size_t kBatchBytes = 32 * 1024;

  virtual ~SpendHeir() = default;
  // Whole records, as SpendJournal::take_batch() reads them. Never waits.
  [[nodiscard]] virtual Fate take(std::string_view batch) = 0;
};

}  // namespace sluice::control
