#include <sluice/base/units.h>
#include <sluice/json/writer.h>

#include "command.h"

namespace sluice::admin {

// Answers as the drain begins; its end is the end of the process.
Task<control::SmallAnswer> drain(const AdminParts& parts) {
  const bool has_begun = parts.operations.begin_drain("the admin socket");
  control::SmallAnswer answer{.status = 202};
  json::Writer(answer.body)
      .begin_object()
      .key("draining")
      .boolean(true)
      .key("began_now")
      .boolean(has_begun)
      .key("drain_timeout")
      .string(format_duration(parts.operations.snapshot().drain_timeout))
      .end_object();
  co_return answer;
}

}  // namespace sluice::admin
