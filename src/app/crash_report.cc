#include "crash_report.h"

#include <execinfo.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "sanitizer.h"

namespace sluice::app {
namespace {

constexpr int kFramesMax = 64;
constexpr size_t kModulesMax = 64;
constexpr size_t kModuleNameBytes = 48;
constexpr uintptr_t kNullBytes = 64 << 10;  // An address below is a null pointer with an offset.
constexpr int kOtherReportWaitMs = 5000;

struct Module {
  uintptr_t bias = 0;
  uintptr_t begin = 0;
  uintptr_t end = 0;
  std::array<char, kModuleNameBytes> name{};
};

// Filled before the catchers are set and read by them: nothing in them may lock or allocate.
std::array<Module, kModulesMax> modules;
size_t module_count = 0;
const char* program_version = "";
std::atomic<const telemetry::LineFile*> log_file{nullptr};
std::atomic<bool> is_reporting{false};

// The report so far, on the signal's stack.
class Text {
 public:
  Text& add(std::string_view part) noexcept {
    const size_t taken = std::min(part.size(), bytes_.size() - length_);
    std::memcpy(bytes_.data() + length_, part.data(), taken);
    length_ += taken;
    return *this;
  }
  Text& add_number(uintptr_t number, unsigned base) noexcept {
    std::array<char, 24> digits;
    size_t at = digits.size();
    do {
      digits[--at] = "0123456789abcdef"[number % base];
      number /= base;
    } while (number > 0);
    return add({digits.data() + at, digits.size() - at});
  }
  void write_to(int fd) const noexcept {
    std::string_view rest(bytes_.data(), length_);
    while (!rest.empty()) {
      const ssize_t written = ::write(fd, rest.data(), rest.size());
      if (written <= 0) return;
      rest.remove_prefix(static_cast<size_t>(written));
    }
  }

 private:
  std::array<char, 8192> bytes_;
  size_t length_ = 0;
};

const Module* module_of(uintptr_t address) noexcept {
  for (size_t i = 0; i < module_count; ++i) {
    if (address >= modules[i].begin && address < modules[i].end) return &modules[i];
  }
  return nullptr;
}

std::string_view name_of(int number) noexcept {
  switch (number) {
    case SIGSEGV: return "SIGSEGV (invalid memory access)";
    case SIGBUS: return "SIGBUS (memory that cannot be read or written)";
    case SIGILL: return "SIGILL (invalid instruction)";
    case SIGFPE: return "SIGFPE (invalid arithmetic)";
    default: return "SIGABRT (broken invariant, uncaught exception or abort)";
  }
}

// Never the address itself: a pointer that was overwritten is a request's bytes.
std::string_view kind_of(const siginfo_t& signal) noexcept {
  if (signal.si_code <= 0) return "none, sent by a process";
  if (signal.si_signo == SIGABRT) return "none";
  const auto address = reinterpret_cast<uintptr_t>(signal.si_addr);
  if (signal.si_signo == SIGSEGV && signal.si_code == SI_KERNEL) return "not canonical";
  if (address < kNullBytes) return "null";
  if (module_of(address) != nullptr) return "program or library";
  int here = 0;
  const auto stack = reinterpret_cast<uintptr_t>(&here);
  if (address > stack ? address - stack < kNullBytes : stack - address < kNullBytes) {
    return "signal stack";
  }
  return signal.si_code == SEGV_ACCERR ? "mapped, without the right" : "not mapped";
}

void add_frames(Text& text) noexcept {
  std::array<void*, kFramesMax> frames;
  const int count = ::backtrace(frames.data(), kFramesMax);
  for (int i = 0; i < count; ++i) {
    const auto address = reinterpret_cast<uintptr_t>(frames[static_cast<size_t>(i)]);
    text.add("  #").add_number(static_cast<uintptr_t>(i), 10).add(" ");
    if (const Module* module = module_of(address)) {
      text.add(module->name.data()).add("+0x").add_number(address - module->bias, 16).add("\n");
    } else {
      text.add("?\n");
    }
  }
}

void report(const siginfo_t& signal) noexcept {
  Text text;
  std::array<char, 16> thread{};
  ::prctl(PR_GET_NAME, thread.data(), 0, 0, 0);
  text.add("sluice: crash: version ").add(program_version);
  text.add(", signal ").add(name_of(signal.si_signo));
  text.add(", address ").add(kind_of(signal));
  text.add(", thread ").add({thread.data(), ::strnlen(thread.data(), thread.size())});
  text.add(", process ").add_number(static_cast<uintptr_t>(::getpid()), 10);
  text.add(". This is a bug; please report it with these lines.\n");
  add_frames(text);
  text.add("sluice: end of the crash report; addr2line -Cfipe sluice OFFSET... names its lines\n");
  text.write_to(STDERR_FILENO);
  const telemetry::LineFile* const file = log_file.load(std::memory_order_acquire);
  if (file != nullptr && file->descriptor() >= 0) text.write_to(file->descriptor());
}

void catch_crash(int number, siginfo_t* signal, void* /*registers*/) noexcept {
  thread_local bool is_own = false;
  if (!is_reporting.exchange(true)) {
    is_own = true;
    report(*signal);
  } else if (!is_own) {
    // Another thread writes its report, and then ends the process.
    ::poll(nullptr, 0, kOtherReportWaitMs);
  }
  ::signal(number, SIG_DFL);
  // Pending until the catcher returns; a fault of the thread's own would also come again.
  ::raise(number);
}

int note_module(dl_phdr_info* found, size_t /*size*/, void* /*unused*/) noexcept {
  if (module_count == kModulesMax) return 1;
  Module& module = modules[module_count];
  module.bias = found->dlpi_addr;
  module.begin = UINTPTR_MAX;
  for (int i = 0; i < found->dlpi_phnum; ++i) {
    const auto& part = found->dlpi_phdr[i];
    if (part.p_type != PT_LOAD) continue;
    module.begin = std::min<uintptr_t>(module.begin, found->dlpi_addr + part.p_vaddr);
    module.end = std::max<uintptr_t>(module.end, found->dlpi_addr + part.p_vaddr + part.p_memsz);
  }
  if (module.end == 0) return 0;
  std::string_view name = found->dlpi_name == nullptr ? "" : found->dlpi_name;
  // The first is the program itself, which has no name here.
  if (name.empty()) name = module_count == 0 ? "sluice" : "kernel";
  name.remove_prefix(std::min(name.size(), name.rfind('/') + 1));
  name.copy(module.name.data(), module.name.size() - 1);
  ++module_count;
  return 0;
}

}  // namespace

void report_crashes(const char* version) noexcept {
  if (kHasSanitizer) return;  // It has a report of its own.
  program_version = version;
  ::dl_iterate_phdr(note_module, nullptr);
  // The first call loads the unwinder, which a catcher must not.
  std::array<void*, 1> frame;
  ::backtrace(frame.data(), 1);
  struct sigaction action{};
  action.sa_sigaction = catch_crash;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) {
    ::sigaction(number, &action, nullptr);
  }
}

void report_crashes_to(const telemetry::LineFile* log) noexcept {
  log_file.store(log, std::memory_order_release);
}

}  // namespace sluice::app
