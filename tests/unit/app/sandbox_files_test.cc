#include "sandbox_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>

namespace sluice::app {
namespace {

bool has(const std::vector<std::string>& paths, std::string_view path) {
  return std::ranges::count(paths, path) == 1;
}

class SandboxFiles : public ::testing::Test {
 protected:
  SandboxFiles() {
    std::string name = (std::filesystem::temp_directory_path() / "sluice-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    for (const char* each : {"conf", "logs", "elsewhere"}) {
      std::filesystem::create_directory(folder_ / each);
      std::ofstream(folder_ / each / "file") << "x";
    }
    snapshot_.access_log.enabled = false;
  }
  ~SandboxFiles() override { std::filesystem::remove_all(folder_); }
  FileRules rules(bool is_root = true) {
    const std::string config = folder_ / "conf" / "sluice.yaml";
    return file_rules(snapshot_, config, {config}, is_root);
  }
  // The errno of `attempt` in a process that is confined; 200 when it could not be.
  int confined(const FileRules& rules, const std::function<int()>& attempt) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(confine_files(rules) ? attempt() : 200);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
  }
  static int open(const std::filesystem::path& path, int flags) {
    return ::open(path.c_str(), flags, 0600) < 0 ? errno : 0;
  }
  std::filesystem::path folder_;
  config::Snapshot snapshot_;
};

TEST_F(SandboxFiles, what_the_configuration_names_is_in_the_rules) {
  snapshot_.store.emplace().path = "/var/lib/a/keys.db";
  snapshot_.journal.emplace().directory = "/var/lib/b";
  snapshot_.limits.bank_file = "/var/lib/c/bank";
  snapshot_.admin_socket = "/run/d/admin.sock";
  snapshot_.log.file = "/var/log/e/sluice.log";
  snapshot_.auth.key_file = "/etc/f/keys.yaml";
  snapshot_.admin.listener.emplace().key = "/etc/g/key.pem";
  const FileRules made = rules();
  for (const char* path : {"/var/lib/a", "/var/lib/b", "/var/lib/c", "/run/d", "/var/log/e"}) {
    EXPECT_TRUE(has(made.write, path)) << path;
  }
  EXPECT_TRUE(has(made.read, "/etc/f"));
  EXPECT_TRUE(has(made.read, "/etc/g"));
}

TEST_F(SandboxFiles, only_root_is_kept_from_the_whole_of_etc) {
  EXPECT_FALSE(has(rules(true).read, "/etc"));
  EXPECT_TRUE(has(rules(true).read, "/etc/resolv.conf"));
  EXPECT_TRUE(has(rules(false).read, "/etc"));
}

TEST_F(SandboxFiles, a_log_that_is_a_device_does_not_open_its_folder) {
  snapshot_.log.file = "/dev/null";
  const FileRules made = rules();
  EXPECT_TRUE(has(made.write, "/dev/null"));
  EXPECT_FALSE(has(made.write, "/dev"));
}

TEST_F(SandboxFiles, a_folder_of_the_root_is_not_meant) {
  snapshot_.log.file = "/sluice.log";
  EXPECT_FALSE(has(rules().write, "/"));
  EXPECT_TRUE(has(rules().write, "/sluice.log"));
}

TEST_F(SandboxFiles, reads_and_writes_end_at_the_rules) {
  snapshot_.log.file = folder_ / "logs" / "sluice.log";
  const FileRules made = rules();
  EXPECT_EQ(confined(made, [&] { return open(folder_ / "conf/file", O_RDONLY); }), 0);
  EXPECT_EQ(confined(made, [&] { return open(folder_ / "logs/new", O_WRONLY | O_CREAT); }), 0);
  EXPECT_EQ(confined(made, [&] { return open(folder_ / "elsewhere/file", O_RDONLY); }), EACCES);
  EXPECT_EQ(confined(made, [&] { return open(folder_ / "elsewhere/new", O_WRONLY | O_CREAT); }),
            EACCES);
  EXPECT_EQ(confined(made, [] { return open("/etc/resolv.conf", O_WRONLY); }), EACCES);
}

TEST_F(SandboxFiles, a_file_that_is_replaced_by_a_rename_stays_readable) {
  const auto attempt = [&] {
    std::filesystem::rename(folder_ / "conf/file", folder_ / "conf/other");
    return open(folder_ / "conf/other", O_RDONLY);
  };
  EXPECT_EQ(confined(rules(), attempt), 0);
}

TEST_F(SandboxFiles, a_folder_that_is_yet_to_be_made_can_be) {
  snapshot_.journal.emplace().directory = folder_ / "logs" / "journal";
  const auto attempt = [&] {
    std::filesystem::create_directory(folder_ / "logs/journal");
    return open(folder_ / "logs/journal/segment", O_WRONLY | O_CREAT);
  };
  EXPECT_EQ(confined(rules(), attempt), 0);
}

TEST_F(SandboxFiles, environment_remembers_what_was_read_and_names_the_remedy_afterwards) {
  ConfinedEnvironment environment;
  ASSERT_TRUE(environment.read(folder_ / "conf/file", 100));
  EXPECT_EQ(environment.paths(), std::vector<std::string>{folder_ / "conf/file"});
  environment.confine();
  (void)environment.read(folder_ / "elsewhere/file", 100);
  EXPECT_EQ(environment.paths().size(), 1u);
  EXPECT_TRUE(with_sandbox_remedy("Permission denied").contains("restart Sluice"));
  EXPECT_EQ(with_sandbox_remedy("No such file"), "No such file");
}

}  // namespace
}  // namespace sluice::app
