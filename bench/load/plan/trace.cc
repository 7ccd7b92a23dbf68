#include "plan/trace.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <numeric>
#include <optional>

#include <fmt/format.h>

namespace sluice::load {
namespace {

constexpr uint32_t kTokensMax = 4'000'000;
constexpr uint64_t kMillisecondsMax = 366ull * 86'400'000;

template <class Number>
bool take_number(std::string_view& text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

bool take(std::string_view& text, char wanted) {
  if (!text.starts_with(wanted)) return false;
  text.remove_prefix(1);
  return true;
}

void skip_spaces(std::string_view& text) {
  while (text.starts_with(' ') || text.starts_with('\t') || text.starts_with('\r')) {
    text.remove_prefix(1);
  }
}

// "2023-11-16 18:15:46.6805900", as nanoseconds on a line of its own.
std::optional<int64_t> take_time(std::string_view& text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  const bool is_date = take_number(text, year) && take(text, '-') && take_number(text, month) &&
                       take(text, '-') && take_number(text, day) &&
                       (take(text, ' ') || take(text, 'T'));
  const bool is_time = is_date && take_number(text, hour) && take(text, ':') &&
                       take_number(text, minute) && take(text, ':') && take_number(text, second);
  if (!is_time) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 60) {
    return std::nullopt;
  }
  int64_t fraction_ns = 0;
  if (take(text, '.')) {
    for (int64_t unit = 100'000'000; !text.empty() && text[0] >= '0' && text[0] <= '9';
         unit /= 10) {
      fraction_ns += (text[0] - '0') * unit;
      text.remove_prefix(1);
    }
  }
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return (days * 86'400 + hour * 3600 + minute * 60 + second) * 1'000'000'000 + fraction_ns;
}

class TraceReader {
 public:
  explicit TraceReader(const std::string& name) : name_(name) {}

  std::expected<Trace, std::string> read(std::string_view text) {
    const bool is_json = text.starts_with('{');
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      ++line_;
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty() || (!is_json && line_ == 1 && line.starts_with("TIMESTAMP"))) continue;
      is_json ? read_json(line) : read_row(line);
      if (!error_.empty()) return std::unexpected(error_);
    }
    if (times_.empty()) {
      return std::unexpected(name_ + ":1: the trace has no record; give a file with some");
    }
    sort();
    return std::move(trace_);
  }

 private:
  void refuse(std::string_view cause, std::string_view remedy) {
    error_ = fmt::format("{}:{}: {}; {}", name_, line_, cause, remedy);
  }

  void add(int64_t time_ns, TraceRecord record) {
    if (record.prompt_tokens > kTokensMax || record.answer_tokens > kTokensMax) {
      return refuse(fmt::format("more than {} tokens", kTokensMax), "remove the line");
    }
    times_.push_back(time_ns);
    trace_.records.push_back(record);
  }

  void read_row(std::string_view line) {
    const auto time = take_time(line);
    TraceRecord record;
    const bool is_good = time && take(line, ',') && take_number(line, record.prompt_tokens) &&
                         take(line, ',') && take_number(line, record.answer_tokens) && line.empty();
    if (!is_good) {
      return refuse("not a record",
                    "write it as 2023-11-16 18:15:46.68,374,44 (time, prompt and answer tokens)");
    }
    add(*time, record);
  }

  void read_json(std::string_view line) {
    constexpr std::string_view kRemedy =
        R"(write it as {"timestamp": 0, "input_length": 9, "output_length": 5, "hash_ids": [1]})";
    TraceRecord record;
    record.first_block = static_cast<uint32_t>(trace_.blocks.size());
    uint64_t time_ms = 0;
    uint32_t seen = 0;  // Which of the three numbers, as bits.
    bool is_good = take(line, '{');
    for (bool is_first = true; is_good; is_first = false) {
      skip_spaces(line);
      if (take(line, '}')) break;
      is_good = is_first || take(line, ',');
      skip_spaces(line);
      const size_t end = line.find('"', 1);
      is_good = is_good && take(line, '"') && end != std::string_view::npos;
      if (!is_good) break;
      const std::string_view key = line.substr(0, end - 1);
      line.remove_prefix(end);
      skip_spaces(line);
      is_good = take(line, ':');
      skip_spaces(line);
      if (!is_good) break;
      if (key == "timestamp") {
        is_good = take_number(line, time_ms) && time_ms <= kMillisecondsMax;
        seen |= 1;
      } else if (key == "input_length") {
        is_good = take_number(line, record.prompt_tokens);
        seen |= 2;
      } else if (key == "output_length") {
        is_good = take_number(line, record.answer_tokens);
        seen |= 4;
      } else if (key == "hash_ids") {
        is_good = take_ids(line);
      } else {
        return refuse(fmt::format("unknown field `{:.40}`", key), kRemedy);
      }
    }
    skip_spaces(line);
    if (!is_good || !line.empty()) return refuse("not a record", kRemedy);
    if (seen != 7) return refuse("a field is missing", kRemedy);
    record.block_count = static_cast<uint32_t>(trace_.blocks.size()) - record.first_block;
    add(static_cast<int64_t>(time_ms) * 1'000'000, record);
  }

  bool take_ids(std::string_view& line) {
    if (!take(line, '[')) return false;
    skip_spaces(line);
    if (take(line, ']')) return true;
    for (;;) {
      uint64_t id = 0;
      skip_spaces(line);
      if (!take_number(line, id)) return false;
      trace_.blocks.push_back(id);
      skip_spaces(line);
      if (take(line, ']')) return true;
      if (!take(line, ',')) return false;
    }
  }

  void sort() {
    std::vector<size_t> order(times_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::sort(order, {}, [&](size_t i) { return std::pair(times_[i], i); });
    std::vector<TraceRecord> sorted;
    sorted.reserve(order.size());
    for (const size_t i : order) {
      sorted.push_back(trace_.records[i]);
      sorted.back().at = Duration(times_[i] - times_[order.front()]);
    }
    trace_.records = std::move(sorted);
  }

  const std::string& name_;
  uint32_t line_ = 0;
  std::string error_;
  std::vector<int64_t> times_;
  Trace trace_;
};

}  // namespace

std::expected<Trace, std::string> parse_trace(std::string_view text, const std::string& name) {
  return TraceReader(name).read(text);
}

}  // namespace sluice::load
