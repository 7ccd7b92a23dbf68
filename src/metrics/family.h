// The table of metric families: one row describes and prints one family.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include <sluice/metrics/exposition.h>
#include <sluice/metrics/registry.h>

namespace sluice::metrics {

// Where the samples of one family are appended.
class Samples {
 public:
  Samples(std::string& out, std::string_view name, std::string_view labels) noexcept
      : out_(out), name_(name), labels_(labels) {}

  // `values` stand in the order of the family's label names.
  void add(std::initializer_list<std::string_view> values, uint64_t value);
  void add(std::initializer_list<std::string_view> values, int64_t value);
  void add(std::initializer_list<std::string_view> values, double value);
  // `counts` holds one more element than `bounds_us`, each the count of its own bucket alone.
  void add_histogram(std::initializer_list<std::string_view> values,
                     std::span<const int32_t> bounds_us, std::span<const uint64_t> counts,
                     uint64_t sum_ns);

 private:
  void open_line(std::string_view suffix, std::initializer_list<std::string_view> values,
                 std::string_view bound);

  std::string& out_;
  std::string_view name_;
  std::string_view labels_;
};

struct Family {
  std::string_view name;
  std::string_view type;    // counter, gauge or histogram.
  std::string_view labels;  // Names joined by commas; "" when there are none.
  std::string_view help;
  void (*print)(const Registry& registry, const ScrapeSample& sample, Samples& samples);
};

// Every family there is, in the order of the exposition; docs/metrics.md lists the same.
[[nodiscard]] std::span<const Family> families() noexcept;

}  // namespace sluice::metrics
