#include <sluice/route/strategies.h>

namespace sluice::route {

uint32_t choose_failover(const RouteSet& usable) noexcept { return usable.first(); }

}  // namespace sluice::route
