#include <sluice/json/writer.h>

#include "command.h"

namespace sluice::admin {

Task<control::SmallAnswer> show_version(const AdminParts& parts) {
  control::SmallAnswer answer;
  json::Writer(answer.body)
      .begin_object()
      .key("version")
      .string(parts.version)
      .key("generation")
      .unsigned_integer(parts.operations.snapshot().generation)
      .key("config")
      .string(parts.operations.snapshot().source_path)
      .key("draining")
      .boolean(parts.operations.is_draining())
      .end_object();
  co_return answer;
}

}  // namespace sluice::admin
