#include "sandbox_files.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

namespace sluice::app {
namespace {

// The kernel's own interface (Documentation/userspace-api/landlock.rst), since the headers of an
// older distribution lack its newer half. The numbers are the same on all architectures.
constexpr long kCreateRuleset = 444, kAddRule = 445, kRestrictSelf = 446;
constexpr uint32_t kAskVersion = 1, kPathBeneath = 1;

struct RulesetAttributes {
  uint64_t files = 0;
  uint64_t network = 0;  // ABI 4
  uint64_t scoped = 0;   // ABI 6
};
struct [[gnu::packed]] PathRule {
  uint64_t allowed;
  int32_t folder_fd;
};

constexpr uint64_t kWriteFile = 1u << 1, kReadFile = 1u << 2, kReadFolder = 1u << 3,
                   kRemoveFile = 1u << 5, kMakeFolder = 1u << 7, kMakeFile = 1u << 8,
                   kMakeSocket = 1u << 9, kRefer = 1u << 13, kTruncate = 1u << 14,
                   kDeviceControl = 1u << 15;
constexpr uint64_t kFirstAccesses = (1u << 13) - 1;  // ABI 1, execution among them.
constexpr uint64_t kOfFiles = kWriteFile | kReadFile | kTruncate | kDeviceControl;
constexpr uint64_t kReading = kReadFile | kReadFolder;
constexpr uint64_t kWriting =
    kReading | kWriteFile | kTruncate | kRemoveFile | kMakeFolder | kMakeFile | kMakeSocket;
constexpr uint64_t kScopes = 3;  // Abstract Unix sockets, signals.

// What libraries read at any time: name look-ups, authorities, time zones, plug-ins of a database
// client; of the machine what metrics tell.
constexpr std::array kSystemFolders = {"/etc/ssl",
                                       "/etc/pki",
                                       "/etc/ca-certificates",
                                       "/etc/crypto-policies",
                                       "/usr/share/zoneinfo",
                                       "/usr/share/ca-certificates",
                                       "/usr/local/share/ca-certificates",
                                       "/usr/lib/ssl",
                                       "/usr/lib",
                                       "/usr/lib64",
                                       "/lib",
                                       "/lib64",
                                       "/run/systemd/resolve",
                                       "/run/resolvconf",
                                       "/run/NetworkManager",
                                       "/sys/fs/cgroup",
                                       "/sys/devices/system",
                                       "/dev/urandom",
                                       "/dev/random"};
// Not all of /proc, where root would read the environment of other processes (Linux 6.13 lets
// CAP_PERFMON do that whatever Landlock says).
constexpr std::array kProcessFiles = {"/proc/self", "/proc/meminfo", "/proc/stat", "/proc/cpuinfo"};
constexpr std::array kEtcFiles = {"/etc/resolv.conf", "/etc/hosts",     "/etc/nsswitch.conf",
                                  "/etc/host.conf",   "/etc/gai.conf",  "/etc/services",
                                  "/etc/protocols",   "/etc/localtime", "/etc/timezone",
                                  "/etc/ld.so.cache", "/etc/passwd",    "/etc/group"};

std::string folder_of(const std::string& path) {
  std::error_code error;
  const auto full = std::filesystem::absolute(path, error);
  return error ? std::string() : full.parent_path().string();
}

std::string real(const std::string& path) {
  std::error_code error;
  const auto found = std::filesystem::weakly_canonical(path, error);
  return error ? path : found.string();
}

void add_folder_of(std::vector<std::string>& to, const std::string& path) {
  if (path.empty()) return;
  for (const std::string& each : {path, real(path)}) {
    // A whole file system is never meant; then it is the file alone.
    const std::string folder = folder_of(each);
    to.push_back(folder == "/" ? each : folder);
  }
}

// Files that are read later than the configuration, or again.
std::vector<std::string> files_read_later(const config::Snapshot& snapshot) {
  std::vector<std::string> paths = {snapshot.auth.key_file};
  const auto add_sql = [&paths](const std::optional<config::SqlSettings>& sql) {
    if (sql) paths.push_back(sql->tls_ca);
  };
  if (const auto& listener = snapshot.admin.listener) {
    paths.insert(paths.end(), {listener->certificate, listener->key});
  }
  if (snapshot.redis) paths.push_back(snapshot.redis->tls_ca);
  for (const config::SourceSettings& source : snapshot.auth.sources) {
    paths.insert(paths.end(), {source.tls_ca, source.script});
    add_sql(source.sql);
    if (source.redis) paths.push_back(source.redis->tls_ca);
  }
  if (snapshot.usage_log) {
    for (const config::ReporterSettings& reporter : snapshot.usage_log->reporters) {
      paths.push_back(reporter.tls_ca);
      add_sql(reporter.sql);
    }
  }
  for (const config::Discovery& discovery : snapshot.discovery) {
    if (discovery.kind == config::DiscoveryKind::kFile) paths.push_back(discovery.target);
  }
  return paths;
}

// A pipe, a terminal or /dev/null is written to, its folder is not.
void add_log(std::vector<std::string>& to, const std::string& path) {
  struct stat status{};
  if (!path.empty() && ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    to.push_back(real(path));
  } else {
    add_folder_of(to, path);
  }
}

// The descriptor of `path`, or of the folder that it would be made in.
int open_path(std::string path, bool may_make) {
  int fd = ::open(path.c_str(), O_PATH | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT && may_make) {
    fd = ::open(folder_of(path).c_str(), O_PATH | O_CLOEXEC);
  }
  return fd;
}

// A rule is about an inode, and /proc makes new ones when it is short of memory: an open descriptor
// keeps those that the rules are about.
bool is_pinned(const std::string& path) { return path.starts_with("/proc/"); }

std::string failed(const char* what) {
  return fmt::format("{} failed: {}", what, std::strerror(errno));
}

std::string add_rules(int ruleset, const std::vector<std::string>& paths, uint64_t allowed,
                      bool may_make) {
  for (const std::string& path : paths) {
    const int fd = open_path(path, may_make);
    if (fd < 0) continue;  // What cannot be opened now could not be used anyway.
    struct stat status{};
    const bool is_folder = ::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
    const PathRule rule{.allowed = is_folder ? allowed & ~kDeviceControl : allowed & kOfFiles,
                        .folder_fd = fd};
    const long result = ::syscall(kAddRule, ruleset, kPathBeneath, &rule, 0);
    const std::string problem = result == 0 ? std::string() : failed("landlock_add_rule");
    if (!is_pinned(path)) ::close(fd);
    if (!problem.empty()) return problem + " for " + path;
  }
  return {};
}

}  // namespace

FileRules file_rules(const config::Snapshot& snapshot, std::string_view config_path,
                     const std::vector<std::string>& read_paths, bool is_root) {
  FileRules rules;
  for (const std::string& path : read_paths) add_folder_of(rules.read, path);
  for (const std::string& path : files_read_later(snapshot)) add_folder_of(rules.read, path);
  rules.read.insert(rules.read.end(), kSystemFolders.begin(), kSystemFolders.end());
  rules.read.insert(rules.read.end(), kProcessFiles.begin(), kProcessFiles.end());
  // Rules hold for the file that is there, and resolv.conf is replaced by a rename: only the folder
  // follows that. For root it would open /etc/shadow.
  if (is_root) {
    rules.read.insert(rules.read.end(), kEtcFiles.begin(), kEtcFiles.end());
  } else {
    rules.read.emplace_back("/etc");
  }
  rules.write.emplace_back("/dev/null");
  add_folder_of(rules.write, std::string(config_path));
  add_log(rules.write, snapshot.log.file);
  if (snapshot.access_log.enabled) add_log(rules.write, snapshot.access_log.file);
  add_folder_of(rules.write, snapshot.limits.bank_file);
  add_folder_of(rules.write, snapshot.admin_socket);
  if (snapshot.journal) rules.write.push_back(snapshot.journal->directory);
  if (snapshot.store) add_folder_of(rules.write, snapshot.store->path);
  if (snapshot.usage_log) add_folder_of(rules.write, snapshot.usage_log->path);
  for (auto* paths : {&rules.read, &rules.write}) {
    std::ranges::sort(*paths);
    const auto twice = std::ranges::unique(*paths);
    paths->erase(twice.begin(), twice.end());
  }
  return rules;
}

std::expected<std::string, std::string> confine_files(const FileRules& rules) {
  const long abi = ::syscall(kCreateRuleset, nullptr, 0, kAskVersion);
  if (abi < 1) {
    return std::unexpected(
        "this kernel has no Landlock (CONFIG_SECURITY_LANDLOCK, lsm=landlock on its command line)");
  }
  uint64_t files = kFirstAccesses;
  if (abi >= 2) files |= kRefer;
  if (abi >= 3) files |= kTruncate;
  if (abi >= 5) files |= kDeviceControl;
  const RulesetAttributes attributes{
      .files = files, .network = 0, .scoped = abi >= 6 ? kScopes : 0};
  const size_t length = abi >= 6 ? sizeof attributes : sizeof attributes.files;
  const auto ruleset = static_cast<int>(::syscall(kCreateRuleset, &attributes, length, 0));
  if (ruleset < 0) return std::unexpected(failed("landlock_create_ruleset"));
  std::string problem = add_rules(ruleset, rules.read, kReading & files, false);
  if (problem.empty()) problem = add_rules(ruleset, rules.write, kWriting & files, true);
  if (problem.empty() && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    problem = failed("PR_SET_NO_NEW_PRIVS");
  }
  if (problem.empty() && ::syscall(kRestrictSelf, ruleset, 0) != 0) {
    problem = failed("landlock_restrict_self");
  }
  ::close(ruleset);
  if (!problem.empty()) return std::unexpected(std::move(problem));
  return fmt::format("Landlock (ABI {})", abi);
}

std::optional<std::string> ConfinedEnvironment::variable(const std::string& name) const {
  return system_.variable(name);
}

std::expected<config::FileText, std::string> ConfinedEnvironment::read(const std::string& path,
                                                                       size_t bytes_max) const {
  if (!is_confined_) paths_.push_back(path);
  auto text = system_.read(path, bytes_max);
  if (!text && is_confined_) return std::unexpected(with_sandbox_remedy(std::move(text.error())));
  return text;
}

std::string with_sandbox_remedy(std::string problem) {
  if (problem.find(std::strerror(EACCES)) == std::string::npos) return problem;
  return problem +
         " (the sandbox keeps to the folders that the configuration named at the start; restart "
         "Sluice to use another)";
}

}  // namespace sluice::app
