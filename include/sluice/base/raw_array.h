// A bounded array whose elements are written before they are read, and not before.
#pragma once

#include <cstddef>
#include <type_traits>

#include <sluice/base/assert.h>

namespace sluice {

// std::array would first fill in an empty std::string_view, or the like, for each of kSize elements
// of which a request uses two. For types without a destructor only.
template <class T, size_t kSize>
class RawArray {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  RawArray() noexcept {}  // NOLINT: leaves the elements as they are, which is the purpose.

  [[nodiscard]] static constexpr size_t size() noexcept { return kSize; }
  [[nodiscard]] T* data() noexcept { return items_; }
  [[nodiscard]] const T* data() const noexcept { return items_; }
  [[nodiscard]] T& operator[](size_t index) noexcept {
    SLUICE_ASSERT(index < kSize);
    return items_[index];
  }
  [[nodiscard]] const T& operator[](size_t index) const noexcept {
    SLUICE_ASSERT(index < kSize);
    return items_[index];
  }

 private:
  union {
    T items_[kSize];
  };
};

}  // namespace sluice
