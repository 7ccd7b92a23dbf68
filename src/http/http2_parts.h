// What the two sources of Http2Session share.
#pragma once

#include <optional>

#include <sluice/http/http2_session.h>

#include "http2_head.h"

namespace sluice::http {

// Header blocks come one at a time (RFC 9113 4.3), so a session needs one place for them.
struct Http2Session::HeadRead {
  io::Block room;
  std::optional<Http2HeadText> text;
  int32_t stream = 0;  // Whose block it is; 0 outside of one.
  size_t bytes = 0;
  uint32_t continuations = 0;  // Frames that the block went on in.
};

}  // namespace sluice::http
