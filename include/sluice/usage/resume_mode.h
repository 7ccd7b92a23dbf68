// How a stream follows the one that broke off.
#pragma once

#include <cstdint>

namespace sluice::usage {

enum class ResumeMode : uint8_t {
  kRetry,   // The same request once more: skip what the client has.
  kAppend,  // The request with the partial answer: all but a second role goes on.
};

}  // namespace sluice::usage
