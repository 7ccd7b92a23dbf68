#include <sluice/usage/record.h>

namespace sluice::usage {

std::string_view to_string(UsageSource source) noexcept {
  switch (source) {
    case UsageSource::kUnknown: return "unknown";
    case UsageSource::kCounted: return "counted";
    case UsageSource::kReported: return "reported";
  }
  return "unknown";
}

}  // namespace sluice::usage
