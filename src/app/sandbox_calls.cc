#include "sandbox_calls.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <memory>

#include <fmt/format.h>

#include "sanitizer.h"

namespace sluice::app {
namespace {

using namespace std::string_view_literals;

// Whatever their arguments are.
constexpr std::array kAllowed = {
    // The ring, and waking others.
    "io_uring_enter"sv, "futex"sv, "eventfd2"sv, "poll"sv, "ppoll"sv, "select"sv, "pselect6"sv,
    "epoll_create1"sv, "epoll_ctl"sv, "epoll_wait"sv, "epoll_pwait"sv,
    // Descriptors.
    "read"sv, "write"sv, "readv"sv, "writev"sv, "pread64"sv, "pwrite64"sv, "preadv"sv, "pwritev"sv,
    "close"sv, "lseek"sv, "dup"sv, "dup3"sv, "pipe2"sv, "flock"sv, "fsync"sv, "fdatasync"sv,
    "ftruncate"sv, "fallocate"sv, "fadvise64"sv, "fstat"sv, "fstatfs"sv, "getdents64"sv,
    // Files; Landlock decides which.
    "open"sv, "openat"sv, "stat"sv, "lstat"sv, "newfstatat"sv, "statx"sv, "statfs"sv, "access"sv,
    "faccessat"sv, "faccessat2"sv, "readlink"sv, "readlinkat"sv, "getcwd"sv, "unlink"sv,
    "unlinkat"sv, "rename"sv, "renameat"sv, "renameat2"sv, "mkdir"sv, "mkdirat"sv, "rmdir"sv,
    "chmod"sv, "fchmod"sv, "fchmodat"sv, "chown"sv, "lchown"sv, "fchown"sv, "fchownat"sv, "umask"sv,
    "utimensat"sv,
    // Sockets; socket() has its own rules.
    "connect"sv, "bind"sv, "listen"sv, "accept"sv, "accept4"sv, "getsockname"sv, "getpeername"sv,
    "setsockopt"sv, "getsockopt"sv, "shutdown"sv, "sendto"sv, "sendmsg"sv, "sendmmsg"sv,
    "recvfrom"sv, "recvmsg"sv, "recvmmsg"sv,
    // Memory; mmap() and mprotect() have their own rules.
    "munmap"sv, "mremap"sv, "madvise"sv, "brk"sv, "mlock"sv, "mlock2"sv, "munlock"sv, "mincore"sv,
    "msync"sv, "membarrier"sv,
    // Threads; clone() and prctl() have their own rules.
    "exit"sv, "exit_group"sv, "set_robust_list"sv, "rseq"sv, "gettid"sv, "getpid"sv, "getppid"sv,
    "sched_yield"sv, "sched_getaffinity"sv, "sched_setaffinity"sv, "sched_getparam"sv,
    "sched_getscheduler"sv, "getcpu"sv, "rt_sigaction"sv, "rt_sigprocmask"sv, "rt_sigreturn"sv,
    "sigaltstack"sv, "restart_syscall"sv, "wait4"sv, "waitid"sv,
    // Clocks.
    "clock_gettime"sv, "clock_getres"sv, "clock_nanosleep"sv, "nanosleep"sv, "gettimeofday"sv,
    "time"sv, "times"sv,
    // Who and where we are.
    "getuid"sv, "geteuid"sv, "getgid"sv, "getegid"sv, "getgroups"sv, "uname"sv, "sysinfo"sv,
    "getrusage"sv, "getrlimit"sv, "getrandom"sv};

// Nothing here calls them, so whoever does is no longer Sluice.
constexpr std::array kForbidden = {"execve"sv,
                                   "execveat"sv,
                                   "ptrace"sv,
                                   "process_vm_readv"sv,
                                   "process_vm_writev"sv,
                                   "io_uring_setup"sv,
                                   "bpf"sv,
                                   "userfaultfd"sv,
                                   "perf_event_open"sv,
                                   "kexec_load"sv,
                                   "kexec_file_load"sv,
                                   "init_module"sv,
                                   "finit_module"sv,
                                   "delete_module"sv,
                                   "mount"sv,
                                   "move_mount"sv,
                                   "open_tree"sv,
                                   "fsopen"sv,
                                   "umount2"sv,
                                   "pivot_root"sv,
                                   "chroot"sv,
                                   "setns"sv,
                                   "unshare"sv,
                                   "setuid"sv,
                                   "setgid"sv,
                                   "setresuid"sv,
                                   "setresgid"sv,
                                   "setreuid"sv,
                                   "setregid"sv,
                                   "setfsuid"sv,
                                   "setfsgid"sv,
                                   "setgroups"sv,
                                   "capset"sv,
                                   "keyctl"sv,
                                   "add_key"sv,
                                   "request_key"sv,
                                   "memfd_create"sv,
                                   "open_by_handle_at"sv,
                                   "pidfd_getfd"sv,
                                   "iopl"sv,
                                   "ioperm"sv,
                                   "personality"sv,
                                   "reboot"sv,
                                   "swapon"sv,
                                   "swapoff"sv,
                                   "acct"sv,
                                   "settimeofday"sv,
                                   "clock_settime"sv,
                                   "adjtimex"sv,
                                   "quotactl"sv,
                                   "syslog"sv,
                                   "modify_ldt"sv};

// Thrown and caught in this file: what libseccomp answers, a negative errno.
class Filter {
 public:
  Filter() : filter_(seccomp_init(SCMP_ACT_ERRNO(EPERM)), &seccomp_release) {
    if (filter_ == nullptr) error_ = -ENOMEM;
    set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    set(SCMP_FLTATR_CTL_NNP, 1);
    set(SCMP_FLTATR_CTL_TSYNC, 1);
    set(SCMP_FLTATR_CTL_OPTIMIZE, 2);
  }
  void add(uint32_t action, std::string_view call,
           std::initializer_list<scmp_arg_cmp> conditions = {}) {
    if (error_ != 0) return;
    const int number = seccomp_syscall_resolve_name(call.data());
    if (number == __NR_SCMP_ERROR) return;  // Newer than libseccomp: then it is refused.
    error_ = seccomp_rule_add_array(filter_.get(), action, number,
                                    static_cast<unsigned>(conditions.size()), conditions.begin());
    // Calls that this architecture does not have.
    if (error_ == -EDOM) error_ = 0;
  }
  void allow(std::string_view call, std::initializer_list<scmp_arg_cmp> conditions = {}) {
    add(SCMP_ACT_ALLOW, call, conditions);
  }
  int load() { return error_ != 0 ? error_ : seccomp_load(filter_.get()); }

 private:
  void set(scmp_filter_attr attribute, uint32_t value) {
    if (error_ == 0) error_ = seccomp_attr_set(filter_.get(), attribute, value);
  }
  std::unique_ptr<void, decltype(&seccomp_release)> filter_;
  int error_ = 0;
};

scmp_arg_cmp is(unsigned argument, uint64_t value) {
  return {.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}
scmp_arg_cmp masked(unsigned argument, uint64_t mask, uint64_t value) {
  return {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

// Threads as glibc makes them, and nothing that is a process or a namespace.
void allow_threads(Filter& filter) {
  constexpr uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                               CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |
                               CLONE_CHILD_CLEARTID;
  filter.allow("clone", {is(0, kThread)});
  filter.add(SCMP_ACT_ERRNO(ENOSYS), "clone3");
  // To its own threads, which is how abort() ends the process.
  filter.allow("tgkill", {is(0, static_cast<uint64_t>(::getpid()))});
  filter.allow("prctl", {is(0, PR_SET_NAME)});
  filter.allow("prctl", {is(0, PR_GET_NAME)});
  constexpr uint64_t kSetMappingName = 0x53564d41;  // PR_SET_VMA, of allocators.
  filter.allow("prctl", {is(0, kSetMappingName)});
  // Reading limits, never setting them.
  filter.allow("prlimit64", {is(0, 0), is(2, 0)});
}

// No code is made: memory that is written is never executed. Maps of files are, since a database's
// client loads its plug-ins with the first connection.
void allow_memory(Filter& filter) {
  filter.allow("mmap", {masked(2, PROT_EXEC, 0)});
  filter.allow("mmap", {masked(2, PROT_EXEC | PROT_WRITE, PROT_EXEC), masked(3, MAP_ANONYMOUS, 0)});
  filter.allow("mprotect", {masked(2, PROT_EXEC, 0)});
}

void allow_sockets(Filter& filter) {
  // NOLINTNEXTLINE: the kinds are an enumeration in glibc.
  constexpr uint64_t kKindMask = 0xf;
  for (const int family : {AF_INET, AF_INET6, AF_UNIX}) {
    for (const auto kind : {SOCK_STREAM, SOCK_DGRAM}) {
      filter.allow("socket", {is(0, static_cast<uint64_t>(family)),
                              masked(1, kKindMask, static_cast<uint64_t>(kind))});
    }
  }
  filter.allow("socketpair", {is(0, AF_UNIX)});
  // Which addresses this machine has, for getaddrinfo().
  constexpr uint64_t kRoutes = 0;
  filter.allow("socket", {is(0, AF_NETLINK), is(2, kRoutes)});
}

void allow_descriptor_calls(Filter& filter) {
  for (const int command : {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK,
                            F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW}) {
    filter.allow("fcntl", {is(1, static_cast<uint64_t>(command))});
  }
  for (const uint64_t request : {uint64_t{FIONBIO}, uint64_t{FIONREAD}, uint64_t{TCGETS}}) {
    filter.allow("ioctl", {is(1, request)});
  }
}

}  // namespace

std::span<const std::string_view> allowed_calls() noexcept { return kAllowed; }
std::span<const std::string_view> forbidden_calls() noexcept { return kForbidden; }

std::expected<std::string, std::string> confine_calls() {
  if (kHasSanitizer) {
    return std::unexpected("seccomp is left out of builds with a sanitizer, which traces itself");
  }
  Filter filter;
  for (const std::string_view call : kAllowed) filter.allow(call);
  for (const std::string_view call : kForbidden) filter.add(SCMP_ACT_KILL_PROCESS, call);
  allow_threads(filter);
  allow_memory(filter);
  allow_sockets(filter);
  allow_descriptor_calls(filter);
  const int error = filter.load();
  if (error != 0) {
    return std::unexpected(
        fmt::format("seccomp cannot be used here: {}; the kernel needs CONFIG_SECCOMP_FILTER",
                    std::strerror(-error)));
  }
  return "seccomp (" + std::to_string(kAllowed.size() + 9) + " calls)";
}

}  // namespace sluice::app
