// Decides from the fields of a head how its body ends, and refuses what two readers could see
// differently.
#pragma once

#include <sluice/http/head.h>

namespace sluice::http {

// Sets `framing` to kLength, kChunked, or kNone when no field speaks of a body. Returns the fault,
// or null.
[[nodiscard]] const HeadFault* read_framing(const HeaderList& headers, Version version,
                                            BodyFraming& framing) noexcept;

}  // namespace sluice::http
