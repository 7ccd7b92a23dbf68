#include "top.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <optional>

#include <sluice/base/units.h>

#include "frame.h"
#include "render.h"
#include "run.h"
#include "screen.h"

namespace sluice::sluicectl {
namespace {

constexpr Duration kIntervalLeast = std::chrono::milliseconds(100);
constexpr Duration kIntervalMost = std::chrono::minutes(1);
constexpr int64_t kPatienceS = 2;  // No key is heard while an answer is waited for.

// One answer of GET /v1/top, or why there is none, and the exit status that makes.
struct Sample {
  std::optional<json::Value> figures;
  std::string fault{};
  int status = kExitDone;
};

Sample take_sample(const Target& target) {
  const auto answer = ask(target, {.method = "GET", .path = "/v1/top"});
  if (!answer) return {std::nullopt, answer.error(), kExitNoAnswer};
  auto value = json::parse_value(answer->body,
                                 {.bytes_max = 64u << 20, .depth_max = 16, .values_max = 1u << 24});
  if (!value) return {std::nullopt, "the answer is not JSON", kExitNoAnswer};
  if (!answer->is_done()) {
    std::string reason = render_refusal(*value, answer->status >= 500);
    reason.pop_back();
    return {std::nullopt, reason, exit_status_of(*answer)};
  }
  return {*std::move(value)};
}

void rest(int milliseconds) {
  timespec left{.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};
  while (::nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

int complain_of(const Sample& sample) {
  complain(sample.fault);
  return sample.status;
}

// Without a terminal; ends after one view, or when nobody reads it or Sluice is gone.
int print_frames(const TopOptions& options, int interval_ms) {
  Sample before = take_sample(options.target);
  if (!before.figures) return complain_of(before);
  while (true) {
    rest(interval_ms);
    Sample after = take_sample(options.target);
    if (!after.figures) return complain_of(after);
    const json::Value frame = make_frame(*before.figures, *after.figures);
    std::string text;
    if (options.as_json) {
      frame.write(text);
      text += '\n';
    } else {
      text = render_frame(frame, 0);
    }
    std::fputs(text.c_str(), stdout);
    if (std::fflush(stdout) != 0 || options.is_once) return kExitDone;
    before = std::move(after);
  }
}

// Draws what is known until it is ended; a gateway that does not answer may come back.
int show_live(Target target, int interval_ms) {
  target.patience_s = kPatienceS;
  Sample before = take_sample(target);
  if (!before.figures) return complain_of(before);
  Screen screen;
  json::Value frame = make_frame(*before.figures, *before.figures);
  std::string fault;
  while (true) {
    // The fault stands first, where no window is too low for it.
    const size_t lines = screen.lines();
    screen.draw(fault.empty() ? render_frame(frame, lines)
                              : "no answer, q ends: " + fault + "\n" +
                                    render_frame(frame, std::max<size_t>(lines, 2) - 1));
    const Screen::Event event = screen.wait(interval_ms);
    if (event == Screen::Event::kEnd) return kExitDone;
    if (event == Screen::Event::kResized) continue;
    Sample after = take_sample(target);
    fault = after.fault;
    if (!after.figures) continue;
    frame = make_frame(*before.figures, *after.figures);
    before = std::move(after);
  }
}

}  // namespace

int run_top(const TopOptions& options) {
  const auto interval = parse_duration(options.interval);
  if (!interval || *interval < kIntervalLeast || *interval > kIntervalMost) {
    return complain("--interval must be 100ms to 1m");
  }
  const auto interval_ms =
      static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(*interval).count());
  if (options.is_once || options.as_json) return print_frames(options, interval_ms);
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0) {
    return complain("top needs a terminal; use --once or --json without one");
  }
  return show_live(options.target, interval_ms);
}

}  // namespace sluice::sluicectl
