// A value or the Error that prevented it; what everything on the data path returns that can fail.
#pragma once

#include <expected>

#include <sluice/base/error.h>

namespace sluice {

// One alias, so that a compiler without std::expected costs one line to support.
template <class T>
using Result = std::expected<T, Error>;

using Unexpected = std::unexpected<Error>;

// Shorthand: `return fail(ErrorCode::kIo, Side::kUpstream, Retry::kYes, "connect refused");`
[[nodiscard]] inline Unexpected fail(ErrorCode code, Side side, Retry retry,
                                     std::string_view detail) noexcept {
  return Unexpected(Error{code, side, retry, detail});
}

[[nodiscard]] inline Unexpected fail(ErrorCode code, Side side, std::string_view detail) noexcept {
  return fail(code, side, Retry::kNever, detail);
}

}  // namespace sluice
