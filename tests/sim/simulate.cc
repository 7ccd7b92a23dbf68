// Plays regions by their seeds, for as long as wanted; stops at the first finding, and leaves out
// of it what it does not need. tools/simulate builds and starts it.
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gateway_parts.h"
#include "region.h"

namespace sluice::sim {
namespace {

struct Order {
  uint64_t first = 1;
  uint64_t last = UINT64_MAX;
  uint64_t exchanges = UINT64_MAX;
  uint32_t without = 0;
  uint32_t clients = 0;
  bool shrinks = true;
  bool is_quiet = false;
};

// What a child tells of one seed, through a pipe.
struct Told {
  uint64_t seed = 0;
  bool has_ended = false;
  RegionFigures figures;
};

// Seeds that one child plays, so that what a process gathers stays small.
constexpr uint64_t kSeedsPerChild = 100;
// Of one seed; the machine may be busy.
constexpr unsigned int kSecondsMax = 300;
constexpr auto kReportEvery = std::chrono::seconds(10);

std::string play(const RegionPlan& plan, RegionFigures* figures) {
  testing::TestPartResultArray results;
  auto region = std::unique_ptr<Region>();
  {
    testing::ScopedFakeTestPartResultReporter reporter(
        testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &results);
    region = std::make_unique<Region>(plan);
    region->when_looked = [&results] { return results.size() > 0; };
    region->play();
    *figures = region->figures();
    if (results.size() == 0) region.reset();
  }
  if (results.size() == 0) return "";
  std::string text;
  for (int i = 0; i < results.size() && i < 5; ++i) {
    text += std::string(results.GetTestPartResult(i).message()) + "\n";
  }
  text += "--- last events\n" + region->last_events();
  (void)region.release();  // It stands in the middle of something.
  return text;
}

// In a child, which a crash ends alone. Returns whether all were played without a finding.
bool play_in_child(uint64_t first, uint64_t last, const Order& order, int pipe) {
  for (uint64_t seed = first; seed <= last; ++seed) {
    Told told{.seed = seed};
    if (::write(pipe, &told, sizeof told) != sizeof told) return false;
    ::alarm(kSecondsMax);
    const RegionPlan plan = RegionPlan::of_seed(seed, order.without, order.clients);
    const std::string finding = play(plan, &told.figures);
    if (!finding.empty()) {
      if (order.is_quiet) return false;
      std::printf("seed %llu: %s\n%s", static_cast<unsigned long long>(seed),
                  plan.describe().c_str(), finding.c_str());
      std::fflush(stdout);
      return false;
    }
    told.has_ended = true;
    if (::write(pipe, &told, sizeof told) != sizeof told) return false;
  }
  return true;
}

struct Outcome {
  std::optional<uint64_t> failed;  // The seed.
  RegionFigures figures;
  uint64_t seeds = 0;
  std::string how;
};

void add(RegionFigures& sum, const RegionFigures& more) {
  sum.exchanges += more.exchanges;
  sum.answered += more.answered;
  sum.broken += more.broken;
  sum.refused += more.refused;
  sum.by_http2 += more.by_http2;
  sum.upgrades += more.upgrades;
  sum.steps += more.steps;
}

Outcome run_child(uint64_t first, uint64_t last, const Order& order) {
  int ends[2];
  Outcome outcome;
  if (::pipe(ends) != 0) return outcome;
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    if (order.is_quiet) (void)!std::freopen("/dev/null", "w", stderr);
    std::_Exit(play_in_child(first, last, order, ends[1]) ? 0 : 1);
  }
  ::close(ends[1]);
  Told told;
  uint64_t begun = first;
  while (::read(ends[0], &told, sizeof told) == sizeof told) {
    begun = told.seed;
    if (!told.has_ended) continue;
    ++outcome.seeds;
    add(outcome.figures, told.figures);
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return outcome;
  outcome.failed = begun;
  if (WIFSIGNALED(status)) outcome.how = std::string("ended by ") + strsignal(WTERMSIG(status));
  return outcome;
}

bool still_fails(uint64_t seed, const Order& order) {
  return run_child(seed, seed, order).failed.has_value();
}

// Leaves parts and clients out, one after the other, as long as it fails without them.
Order shrink(uint64_t seed, Order order) {
  order.is_quiet = true;
  for (size_t part = 0; part < std::size(kPartNames); ++part) {
    Order less = order;
    less.without |= 1u << part;
    if (still_fails(seed, less)) order = less;
  }
  const uint32_t clients = RegionPlan::of_seed(seed, order.without, order.clients).clients;
  for (uint32_t fewer = 1; fewer < clients; ++fewer) {
    Order less = order;
    less.clients = fewer;
    if (!still_fails(seed, less)) continue;
    order = less;
    break;
  }
  order.is_quiet = false;
  return order;
}

void report(const char* what, const Outcome& sum, std::chrono::steady_clock::time_point began) {
  const double passed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  const auto number = [](uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf(
      "%s%llu seeds, %llu exchanges (%llu answers whole, %llu broken, %llu refused by limits, %llu "
      "by HTTP/2), %llu upgrades, %llu steps, %.0f s\n",
      what, number(sum.seeds), number(sum.figures.exchanges), number(sum.figures.answered),
      number(sum.figures.broken), number(sum.figures.refused), number(sum.figures.by_http2),
      number(sum.figures.upgrades), number(sum.figures.steps), passed);
  std::fflush(stdout);
}

int run(const Order& order) {
  const auto began = std::chrono::steady_clock::now();
  auto told_at = began;
  Outcome sum;
  for (uint64_t first = order.first; first <= order.last;) {
    const uint64_t last = std::min(order.last, first + kSeedsPerChild - 1);
    const Outcome outcome = run_child(first, last, order);
    sum.seeds += outcome.seeds;
    add(sum.figures, outcome.figures);
    if (outcome.failed) {
      const uint64_t seed = *outcome.failed;
      report("FOUND after ", sum, began);
      if (!outcome.how.empty())
        std::printf("seed %llu %s\n", static_cast<unsigned long long>(seed), outcome.how.c_str());
      std::printf("replay:   %s\n",
                  RegionPlan::of_seed(seed, order.without, order.clients).command().c_str());
      std::fflush(stdout);
      if (!order.shrinks) return 1;
      const Order least = shrink(seed, order);
      const RegionPlan plan = RegionPlan::of_seed(seed, least.without, least.clients);
      std::printf("the least that still fails: %s\n%s\n", plan.describe().c_str(),
                  plan.command().c_str());
      return 1;
    }
    if (sum.figures.exchanges >= order.exchanges) break;
    const auto now = std::chrono::steady_clock::now();
    if (now - told_at >= kReportEvery) {
      told_at = now;
      report("", sum, began);
    }
    if (last == UINT64_MAX) break;
    first = last + 1;
  }
  report("nothing found: ", sum, began);
  return 0;
}

std::optional<uint32_t> parts_of(std::string_view list) {
  uint32_t parts = 0;
  while (!list.empty()) {
    const size_t end = list.find(',');
    const std::string_view name = list.substr(0, end);
    list = end == std::string_view::npos ? "" : list.substr(end + 1);
    const auto found = std::find(std::begin(kPartNames), std::end(kPartNames), name);
    if (found == std::end(kPartNames)) return std::nullopt;
    parts |= 1u << (found - std::begin(kPartNames));
  }
  return parts;
}

int usage() {
  std::string parts;
  for (const std::string_view part : kPartNames) parts += " " + std::string(part);
  std::fprintf(stderr,
               "usage: simulate [--seeds A[..B]] [--exchanges N] [--without PART,...] [--clients N]"
               " [--no-shrink]\nparts:%s\n",
               parts.c_str());
  return 2;
}

std::optional<Order> order_of(int count, char** arguments) {
  Order order;
  for (int i = 1; i < count; ++i) {
    const std::string_view option = arguments[i];
    if (option == "--no-shrink") {
      order.shrinks = false;
      continue;
    }
    if (++i == count) return std::nullopt;
    char* end = nullptr;
    const uint64_t number = std::strtoull(arguments[i], &end, 10);
    if (option == "--seeds" && end != arguments[i]) {
      order.first = order.last = number;
      if (std::strncmp(end, "..", 2) == 0) {
        order.last = end[2] == 0 ? UINT64_MAX : std::strtoull(end + 2, nullptr, 10);
      }
    } else if (option == "--exchanges" && number > 0) {
      order.exchanges = number;
    } else if (option == "--clients" && number > 0) {
      order.clients = static_cast<uint32_t>(number);
    } else if (option == "--without" && parts_of(arguments[i])) {
      order.without = *parts_of(arguments[i]);
    } else {
      return std::nullopt;
    }
  }
  return order;
}

}  // namespace
}  // namespace sluice::sim

int main(int count, char** arguments) {
  testing::InitGoogleTest(&count, arguments);
  // Makes the certificates, once for all children.
  (void)sluice::sim::make_client_layer("");
  const std::optional<sluice::sim::Order> order = sluice::sim::order_of(count, arguments);
  return order ? sluice::sim::run(*order) : sluice::sim::usage();
}
