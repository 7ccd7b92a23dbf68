// The control thread's part of logging: from the shards' rings to the files.
#pragma once

#include <cstdint>

#include <sluice/telemetry/line_file.h>
#include <sluice/telemetry/log_sink.h>
#include <sluice/telemetry/record_ring.h>

namespace sluice::telemetry {

// The most that one call takes, so that a busy shard does not hold up the control thread's tick.
inline constexpr uint32_t kDrainCountMax = 256;

// Writes what the shard has recorded; throws it away when `file` is null (access log off). Returns
// the number of records; kDrainCountMax means that there may be more.
uint32_t drain_access_records(RecordRing& ring, LineFile* file);
uint32_t drain_log_records(LogRing& ring, LogSink& sink);

}  // namespace sluice::telemetry
