#include <sluice/metrics/exposition.h>

#include <iterator>

#include <fmt/format.h>

#include "family.h"

namespace sluice::metrics {
namespace {

void append_escaped(std::string& out, std::string_view value) {
  for (const char c : value) {
    switch (c) {
      case '\\': out += "\\\\"; break;
      case '"': out += "\\\""; break;
      case '\n': out += "\\n"; break;
      default: out += c;
    }
  }
}

void append_label(std::string& out, char separator, std::string_view name, std::string_view value) {
  out += separator;
  out += name;
  out += "=\"";
  append_escaped(out, value);
  out += '"';
}

}  // namespace

void Samples::open_line(std::string_view suffix, std::initializer_list<std::string_view> values,
                        std::string_view bound) {
  out_ += name_;
  out_ += suffix;
  std::string_view rest = labels_;
  char separator = '{';
  for (const std::string_view value : values) {
    const std::string_view name = rest.substr(0, rest.find(','));
    rest.remove_prefix(name.size() < rest.size() ? name.size() + 1 : name.size());
    append_label(out_, separator, name, value);
    separator = ',';
  }
  if (!bound.empty()) append_label(out_, separator, "le", bound);
  out_ += values.size() > 0 || !bound.empty() ? "} " : " ";
}

void Samples::add(std::initializer_list<std::string_view> values, uint64_t value) {
  open_line("", values, "");
  fmt::format_to(std::back_inserter(out_), "{}\n", value);
}

void Samples::add(std::initializer_list<std::string_view> values, int64_t value) {
  open_line("", values, "");
  fmt::format_to(std::back_inserter(out_), "{}\n", value);
}

void Samples::add(std::initializer_list<std::string_view> values, double value) {
  open_line("", values, "");
  fmt::format_to(std::back_inserter(out_), "{}\n", value);
}

void Samples::add_histogram(std::initializer_list<std::string_view> values,
                            std::span<const int32_t> bounds_us, std::span<const uint64_t> counts,
                            uint64_t sum_ns) {
  uint64_t total = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    total += counts[i];
    const bool is_last = i == bounds_us.size();
    open_line("_bucket", values, is_last ? "+Inf" : fmt::format("{}", bounds_us[i] / 1e6));
    fmt::format_to(std::back_inserter(out_), "{}\n", total);
  }
  open_line("_sum", values, "");
  fmt::format_to(std::back_inserter(out_), "{}\n", static_cast<double>(sum_ns) / 1e9);
  // From the buckets rather than from a cell of its own, so that it can never disagree with +Inf.
  open_line("_count", values, "");
  fmt::format_to(std::back_inserter(out_), "{}\n", total);
}

void append_exposition(const Registry& registry, const ScrapeSample& sample, std::string& out) {
  for (const Family& family : families()) {
    fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", family.name,
                   family.help, family.name, family.type);
    Samples samples(out, family.name, family.labels);
    family.print(registry, sample, samples);
  }
}

}  // namespace sluice::metrics
