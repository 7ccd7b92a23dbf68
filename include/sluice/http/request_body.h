// The request's bytes, read only when the exchange asks for them and given up when it is done.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <sluice/base/result.h>
#include <sluice/http/head.h>
#include <sluice/io/task.h>

namespace sluice::http {

// Implemented by `server`.
class RequestBody {
 public:
  // Reads the whole body; 64 bytes behind it are readable. Sends 100-continue first when the
  // client waits for it. Errors: kRequestTooLarge (above `bytes_max`, as soon as that is known),
  // kOverloaded (byte budget), kRequestTimeout, kMalformedRequest (chunk syntax), kDownstreamLost.
  // Suspends. Once.
  virtual Task<Result<std::string_view>> read(uint64_t bytes_max) = 0;

  // The same without suspending, when every byte of the body came with the head, as nearly all do;
  // empty when it must be read, and then nothing has changed. Once, instead of or before read().
  [[nodiscard]] virtual std::optional<Result<std::string_view>> take_at_hand(
      uint64_t bytes_max) noexcept = 0;

  // Gives the memory of head and body back; every view into either is dead. For long answers: an
  // open stream must not hold what was asked.
  virtual void release() noexcept = 0;

 protected:
  ~RequestBody() = default;
};

}  // namespace sluice::http
