// A program that has given up what the gateway gives up, and then tries what an intruder would.
// Each attack runs in a process of its own, confined by the gateway's own code. Prints one line for
// each: "name<TAB>allowed|denied|killed<TAB>how".
//
//   sandbox_probe FOLDER BYSTANDER_PID   FOLDER holds sluice.yaml, key and secret-elsewhere/file
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "sandbox_calls.h"
#include "sandbox_files.h"

namespace {

struct Scene {
  std::string folder;
  pid_t bystander = 0;
  char secret[16] = "of the parent";
};
Scene scene;

// 0 when the attack went through, else its errno.
int outcome(long result) { return result < 0 ? errno : 0; }

int open_for(const std::string& path, int flags) {
  return outcome(::open(path.c_str(), flags | O_CLOEXEC, 0600));
}

int run_shell() {
  char name[] = "/bin/sh";
  char* const arguments[] = {name, nullptr};
  return outcome(::execve(name, arguments, nullptr));
}
int run_program_in_memory() {
  return outcome(::syscall(SYS_execveat, 0, "", nullptr, nullptr, AT_EMPTY_PATH));
}
int open_shadow() { return open_for("/etc/shadow", O_RDONLY); }
int open_file_elsewhere() { return open_for(scene.folder + "/elsewhere/secret", O_RDONLY); }
int write_elsewhere() { return open_for(scene.folder + "/elsewhere/new", O_WRONLY | O_CREAT); }
int write_program_folder() { return open_for("/usr/lib/sluice-probe", O_WRONLY | O_CREAT); }
int leave_by_link() { return open_for(scene.folder + "/conf/link", O_RDONLY); }
int read_environment_of_other() {
  return open_for("/proc/" + std::to_string(scene.bystander) + "/environ", O_RDONLY);
}
int write_memory_of_other() {
  return open_for("/proc/" + std::to_string(scene.bystander) + "/mem", O_RDWR);
}
int write_own_memory() { return open_for("/proc/self/mem", O_RDWR); }
int list_home() { return open_for("/root", O_RDONLY | O_DIRECTORY); }
int make_ring() {
  char parameters[120] = {};
  return outcome(::syscall(SYS_io_uring_setup, 8, parameters));
}
int register_with_ring() { return outcome(::syscall(SYS_io_uring_register, 0, 0, nullptr, 0)); }
int trace_other() { return outcome(::ptrace(PTRACE_ATTACH, scene.bystander, nullptr, nullptr)); }
int read_memory_of_other() {
  char buffer[8];
  iovec here{buffer, sizeof buffer};
  iovec there{scene.secret, sizeof buffer};
  return outcome(::syscall(SYS_process_vm_readv, scene.bystander, &here, 1, &there, 1, 0));
}
int kill_other() { return outcome(::kill(scene.bystander, SIGKILL)); }
int kill_other_by_thread() {
  return outcome(::syscall(SYS_tgkill, scene.bystander, scene.bystander, SIGKILL));
}
int fork_process() {
  const long child = ::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, 0);
  if (child == 0) ::_exit(0);
  return outcome(child);
}
int fork_by_clone3() { return outcome(::syscall(SYS_clone3, nullptr, 0)); }
int make_namespace() { return outcome(::unshare(CLONE_NEWUSER)); }
int become_root() { return outcome(::setuid(0)); }
int mount_folder() { return outcome(::mount("none", "/tmp", "tmpfs", 0, nullptr)); }
int load_bpf() {
  bpf_attr attributes{};
  return outcome(::syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes));
}
int read_keyring() { return outcome(::syscall(SYS_keyctl, 0, -3, 0, 0, 0)); }
int make_memory_executable() {
  void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  return outcome(::mprotect(memory, 4096, PROT_READ | PROT_EXEC));
}
int map_executable_memory() {
  void* memory =
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  return memory == MAP_FAILED ? errno : 0;
}
int map_written_file_executable() {
  const std::string path = scene.folder + "/conf/code";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0700);
  if (fd < 0 || ::ftruncate(fd, 4096) != 0) return errno;
  void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
  return memory == MAP_FAILED ? errno : 0;
}
int make_memory_file() { return outcome(::syscall(SYS_memfd_create, "x", 0)); }
int sniff_packets() { return outcome(::socket(AF_PACKET, SOCK_RAW, 0)); }
int forge_packets() { return outcome(::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)); }
int speak_vsock() { return outcome(::socket(AF_VSOCK, SOCK_STREAM, 0)); }
int speak_netfilter() { return outcome(::socket(AF_NETLINK, SOCK_RAW, 12)); }
int reach_abstract_socket() {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "sluice-bystander-" + std::to_string(scene.bystander);
  name.copy(&address.sun_path[1], name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return outcome(::connect(fd, reinterpret_cast<sockaddr*>(&address), length));
}
int listen_on_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return outcome(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address));
}
// Loopback stands for any address: nothing here looks at which one it is.
int connect_anywhere() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(9);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return outcome(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address));
}
int raise_limits() {
  const rlimit limit{1, 1};
  return outcome(::setrlimit(RLIMIT_NOFILE, &limit));
}
int allow_core_dumps() { return outcome(::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)); }
int take_descriptor_of_other() { return outcome(::syscall(SYS_pidfd_open, scene.bystander, 0)); }
int read_own_key() { return open_for(scene.folder + "/conf/key", O_RDONLY); }
int write_configuration() { return open_for(scene.folder + "/conf/sluice.yaml", O_WRONLY); }
int start_thread() {
  std::thread([] {}).join();
  return 0;
}

struct Attack {
  const char* name;
  int (*attempt)();
};
constexpr Attack kAttacks[] = {
    {"run /bin/sh", run_shell},
    {"run a program from a descriptor", run_program_in_memory},
    {"read /etc/shadow", open_shadow},
    {"read a file elsewhere", open_file_elsewhere},
    {"read it through a link in the folder", leave_by_link},
    {"write a file elsewhere", write_elsewhere},
    {"write into /usr/lib", write_program_folder},
    {"list a home folder", list_home},
    {"read another process' environment", read_environment_of_other},
    {"write another process' memory by /proc", write_memory_of_other},
    {"write its own memory by /proc", write_own_memory},
    {"read another process' memory", read_memory_of_other},
    {"trace another process", trace_other},
    {"kill another process", kill_other},
    {"kill another process by its thread", kill_other_by_thread},
    {"take another process' descriptor", take_descriptor_of_other},
    {"fork", fork_process},
    {"fork by clone3", fork_by_clone3},
    {"make a user namespace", make_namespace},
    {"setuid", become_root},
    {"mount", mount_folder},
    {"load a BPF program", load_bpf},
    {"read the keyring", read_keyring},
    {"make a new ring", make_ring},
    {"register with a ring", register_with_ring},
    {"make written memory executable", make_memory_executable},
    {"map writable executable memory", map_executable_memory},
    {"make a file in memory", make_memory_file},
    {"sniff packets (AF_PACKET)", sniff_packets},
    {"forge packets (SOCK_RAW)", forge_packets},
    {"speak AF_VSOCK", speak_vsock},
    {"speak to netfilter (AF_NETLINK)", speak_netfilter},
    {"reach an abstract Unix socket", reach_abstract_socket},
    {"change its limits", raise_limits},
    {"allow core dumps again", allow_core_dumps},
    // What stays possible, because serving needs it.
    {"start a thread", start_thread},
    {"listen on a free port", listen_on_port},
    {"connect to any address", connect_anywhere},
    {"read the keys of the configuration", read_own_key},
    {"change the configuration's file", write_configuration},
    {"map a file that it wrote executable", map_written_file_executable},
};

[[noreturn]] void attack(const Attack& each) {
  sluice::config::Snapshot snapshot;
  snapshot.access_log.enabled = false;
  const std::string config = scene.folder + "/conf/sluice.yaml";
  const auto files = sluice::app::confine_files(
      sluice::app::file_rules(snapshot, config, {config}, ::geteuid() == 0));
  const auto calls = sluice::app::confine_calls();
  if (!files || !calls) {
    std::printf("%s\n", (files ? calls.error() : files.error()).c_str());
    std::fflush(stdout);
    ::_exit(99);
  }
  ::_exit(each.attempt());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  scene.folder = argv[1];
  scene.bystander = std::atoi(argv[2]);
  for (const Attack& each : kAttacks) {
    const pid_t child = ::fork();
    if (child == 0) attack(each);
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child) return 1;
    if (WIFSIGNALED(status)) {
      std::printf("%s\t%s\t%s\n", each.name, WTERMSIG(status) == SIGSYS ? "killed" : "crashed",
                  ::strsignal(WTERMSIG(status)));
      continue;
    }
    const int error = WEXITSTATUS(status);
    if (error == 99) return 77;
    std::printf("%s\t%s\t%s\n", each.name, error == 0 ? "allowed" : "denied",
                error == 0 ? "" : std::strerror(error));
  }
  return 0;
}
