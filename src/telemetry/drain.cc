#include <sluice/telemetry/drain.h>

#include <string>
#include <utility>

#include <sluice/telemetry/access_format.h>

namespace sluice::telemetry {
namespace {

constexpr size_t kUsualLineBytes = 512;

}  // namespace

uint32_t drain_access_records(RecordRing& ring, LineFile* file) {
  if (!ring.has_records()) return 0;
  if (file == nullptr) return ring.drain(kDrainCountMax, [](const AccessRecord&) {});
  // One allocation of a size that the allocator keeps: a text that grows to megabytes is mapped and
  // unmapped each time, which cost as much as writing it.
  std::string lines;
  lines.reserve(size_t{kDrainCountMax} * kUsualLineBytes);
  const uint32_t count = ring.drain(
      kDrainCountMax, [&lines](const AccessRecord& record) { append_access_line(record, lines); });
  file->append(std::move(lines), count);
  return count;
}

uint32_t drain_log_records(LogRing& ring, LogSink& sink) {
  return ring.drain(kDrainCountMax, [&sink](const LogRecord& record) {
    sink.write_at(record.at, record.level, record.component, record.message.view());
  });
}

}  // namespace sluice::telemetry
