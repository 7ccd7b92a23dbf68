#include <sluice/telemetry/ip_text.h>

#include <algorithm>
#include <charconv>

namespace sluice::telemetry {
namespace {

constexpr size_t kGroups = 8;
constexpr Ipv6Bytes kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
constexpr size_t kMappedBytes = 12;

struct Run {
  size_t begin = 0;
  size_t count = 0;
};

// The first of the longest runs of zeroes; one group alone is written out (RFC 5952 4.2).
Run longest_run(const std::array<uint16_t, kGroups>& groups) noexcept {
  Run longest;
  for (size_t i = 0; i < kGroups; ++i) {
    size_t count = 0;
    while (i + count < kGroups && groups[i + count] == 0) ++count;
    if (count > longest.count) longest = {i, count};
  }
  return longest.count > 1 ? longest : Run();
}

char* write_ipv6(const Ipv6Bytes& address, char* out, char* end) noexcept {
  std::array<uint16_t, kGroups> groups{};
  for (size_t i = 0; i < kGroups; ++i) {
    groups[i] = static_cast<uint16_t>(address[2 * i] << 8 | address[2 * i + 1]);
  }
  const Run run = longest_run(groups);
  for (size_t i = 0; i < kGroups;) {
    if (run.count > 0 && i == run.begin) {
      *out++ = ':';
      *out++ = ':';
      i += run.count;
      continue;
    }
    if (i > 0 && (run.count == 0 || i != run.begin + run.count)) *out++ = ':';
    out = std::to_chars(out, end, groups[i++], 16).ptr;
  }
  return out;
}

}  // namespace

BoundedText<45> ip_text(const Ipv6Bytes& address) noexcept {
  std::array<char, 45> text;
  char* out = text.data();
  char* const end = text.data() + text.size();
  if (std::equal(kMapped.begin(), kMapped.begin() + kMappedBytes, address.begin())) {
    for (size_t i = kMappedBytes; i < address.size(); ++i) {
      if (i > kMappedBytes) *out++ = '.';
      out = std::to_chars(out, end, address[i]).ptr;
    }
  } else {
    out = write_ipv6(address, out, end);
  }
  BoundedText<45> result;
  result.assign({text.data(), static_cast<size_t>(out - text.data())});
  return result;
}

}  // namespace sluice::telemetry
