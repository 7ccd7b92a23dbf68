#include "drive/departures.h"

#include <algorithm>
#include <charconv>

#include "drive/fetch.h"
#include "drive/solo.h"

namespace sluice::load {
namespace {

bool read_number(std::string_view text, int64_t& out) {
  return std::from_chars(text.data(), text.data() + text.size(), out).ec == std::errc();
}

}  // namespace

std::vector<int64_t> read_departures(std::string_view json, uint64_t& aborted) {
  constexpr std::string_view kCount = R"("aborted":)";
  constexpr std::string_view kGone = R"("gone_ns":)";
  std::vector<int64_t> seen;
  int64_t count = 0;
  const size_t at = json.find(kCount);
  if (at == std::string_view::npos || !read_number(json.substr(at + kCount.size()), count)) {
    return seen;
  }
  aborted = static_cast<uint64_t>(count);
  for (size_t gone = json.find(kGone); gone != std::string_view::npos;
       gone = json.find(kGone, gone + 1)) {
    int64_t time_ns = 0;
    if (read_number(json.substr(gone + kGone.size()), time_ns)) seen.push_back(time_ns);
  }
  return seen;
}

bool pair_departures(std::vector<int64_t> left_ns, std::vector<int64_t> seen_ns,
                     LatencyHistogram& detection) {
  if (left_ns.size() != seen_ns.size()) return false;
  std::ranges::sort(left_ns);
  std::ranges::sort(seen_ns);
  for (size_t i = 0; i < left_ns.size(); ++i) detection.record(Duration(seen_ns[i] - left_ns[i]));
  return true;
}

bool DepartureWatch::fetch(std::vector<int64_t>& seen, uint64_t& aborted) {
  const std::string request = render_stats_request(stats_.url);
  const Result<std::string> body = fetch_now(ring_, stats_.address, request, seconds(5));
  aborted = ~0ull;
  if (body) seen = read_departures(*body, aborted);
  return aborted != ~0ull;
}

void DepartureWatch::begin() {
  std::vector<int64_t> seen;
  if (is_wanted_ && !fetch(seen, aborted_before_)) aborted_before_ = 0;
}

void DepartureWatch::end(const std::vector<MonoTime>& departures, Tally& tally) {
  if (!is_wanted_ || departures.empty()) return;
  std::vector<int64_t> left, seen;
  for (const MonoTime time : departures) left.push_back(time.time_since_epoch().count());
  uint64_t aborted = 0;
  const MonoTime give_up = ring_.clock().now() + kNoticeMax;
  for (;;) {
    // Only a simulated server knows; with any other there is nothing to time.
    if (!fetch(seen, aborted)) return;
    if (aborted - aborted_before_ >= left.size() || ring_.clock().now() > give_up) break;
    const MonoTime next = ring_.clock().now() + kPollStep;
    while (ring_.clock().now() < next) ring_.turn_until(next);
  }
  const uint64_t news = aborted - aborted_before_;
  if (news < left.size()) {
    for (uint64_t i = news; i < left.size(); ++i) tally.fail("the upstream did not see it leave");
    return;
  }
  // The list keeps the last ones only, and both sides must speak of the same.
  const size_t count = std::min(left.size(), seen.size());
  if (news != left.size()) return;
  std::ranges::sort(left);
  left.erase(left.begin(), left.end() - static_cast<ptrdiff_t>(count));
  std::ranges::sort(seen);
  seen.erase(seen.begin(), seen.end() - static_cast<ptrdiff_t>(count));
  [[maybe_unused]] const bool are_paired =
      pair_departures(std::move(left), std::move(seen), tally.detection);
}

}  // namespace sluice::load
