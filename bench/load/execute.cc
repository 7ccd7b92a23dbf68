#include "execute.h"

#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include <sluice/io/uring_kernel.h>

#include "drive/departures.h"
#include "drive/fetch.h"
#include "drive/run.h"
#include "drive/solo.h"
#include "report/html_page.h"
#include "report/json.h"
#include "report/report.h"
#include "report/table.h"

namespace sluice::load {
namespace {

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);  // Failing costs only connections, which are then counted.
}

int open_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &signals, SFD_CLOEXEC);
}

std::string machine() {
  utsname name{};
  uname(&name);
  return fmt::format("{} {}, {} cores", name.sysname, name.release,
                     std::thread::hardware_concurrency());
}

std::string present_time() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[64];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
  return text;
}

// Empty, or why not.
std::string write_file(std::string_view option, const std::string& path, const std::string& text) {
  if (path.empty()) return {};
  std::ofstream file(path);
  file << text;
  if (file.flush()) return {};
  return fmt::format("{}: {} cannot be written", option, path);
}

std::expected<std::optional<Trace>, std::string> load_trace(const Settings& settings) {
  if (settings.trace_file.empty()) return std::nullopt;
  std::ifstream file(settings.trace_file, std::ios::binary);
  if (!file) {
    return std::unexpected("trace: " + settings.trace_file + " cannot be read; check the path");
  }
  const std::string text(std::istreambuf_iterator<char>(file), {});
  auto trace = parse_trace(text, settings.trace_file);
  if (!trace) return std::unexpected(trace.error());
  return std::move(*trace);
}

// The parts of one execution, which outlive the run.
class Stage {
 public:
  Stage(Settings& settings, io::Ring& ring) : settings_(settings), ring_(ring) {
    tally_->timeline = {};
    report_.settings = &settings;
    report_.tally = tally_.get();
    report_.machine = machine();
    report_.begun = present_time();
  }

  // Empty, or what was in the way.
  std::string run() {
    auto trace = load_trace(settings_);
    if (!trace) return trace.error();
    auto workload = Workload::make(settings_, std::move(*trace));
    if (!workload) return workload.error();
    report_.parts = workload->parts();
    std::string scratch;
    const std::string request(workload->request(0, scratch).bytes);
    const std::string why = read_reference(request);
    if (!why.empty()) return why;
    settings_.mode == Mode::kRun ? run_load(std::move(*workload)) : run_solo(request);
    judge(report_);
    return {};
  }

  [[nodiscard]] const Report& report() const { return report_; }

 private:
  std::string read_reference(const std::string& request) {
    if (!settings_.reference_target) return {};
    const Target& target = *settings_.reference_target;
    Result<std::string> body = fetch_now(ring_, target.address, request, settings_.timeout);
    if (!body) return "reference_url: " + std::string(body.error().detail);
    if (body->empty()) return "reference_url: an empty body";
    settings_.reference = std::move(*body);
    return {};
  }

  void run_load(Workload workload) {
    const Target& stats = settings_.stats ? *settings_.stats : settings_.target;
    DepartureWatch watch(ring_, stats, settings_.leave_at_event > 0);
    watch.begin();
    Run run(ring_, settings_, std::move(workload), *tally_, settings_.reference, open_signals());
    run.live();
    watch.end(run.departures(), *tally_);
    report_.measured = run.measured();
    report_.was_stopped = run.was_stopped();
  }

  void run_solo(const std::string& request) {
    const size_t head_bytes = request.find("\r\n\r\n") + 4;
    SoloRun run(ring_, settings_, request, request.size() - head_bytes, *tally_, open_signals());
    io::start_detached(run.live());
    ring_.run();
    report_.measured = run.measured();
    report_.was_stopped = run.was_stopped();
  }

  Settings& settings_;
  io::Ring& ring_;
  std::unique_ptr<Tally> tally_ = std::make_unique<Tally>();
  Report report_;
};

}  // namespace

Execution execute(Settings& settings, const Outputs& outputs) {
  settings.shows_progress = outputs.shows_progress || isatty(STDERR_FILENO) == 1;
  raise_descriptor_limit();
  auto kernel = io::open_uring_kernel({});
  if (!kernel) return {.obstacle = kernel.error()};
  io::SystemSyscalls syscalls;
  SystemClock clock;
  io::Ring ring(**kernel, syscalls, clock, {});
  Stage stage(settings, ring);
  std::string why = stage.run();
  if (!why.empty()) return {.obstacle = std::move(why)};
  if (settings.shows_progress) std::fputc('\n', stderr);
  std::fputs(render_table(stage.report()).c_str(), stdout);
  why = write_file("--json", outputs.json_file, render_json(stage.report()) + "\n");
  if (why.empty()) why = write_file("--html", outputs.html_file, render_html(stage.report()));
  return {.obstacle = std::move(why), .is_good = is_good(stage.report())};
}

}  // namespace sluice::load
