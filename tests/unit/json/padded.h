// A text with exactly the readable bytes behind it that the reader asks for; they hold what would
// go unnoticed if it were read as part of the text.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include <sluice/json/envelope_reader.h>

namespace sluice::json {

class Padded {
 public:
  explicit Padded(std::string_view text)
      : bytes_(new char[text.size() + EnvelopeReader::kPadding]), size_(text.size()) {
    text.copy(bytes_.get(), text.size());
    for (size_t i = 0; i < EnvelopeReader::kPadding; ++i) bytes_[size_ + i] = "}]\"09"[i % 5];
  }
  [[nodiscard]] std::string_view text() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_;
};

}  // namespace sluice::json
