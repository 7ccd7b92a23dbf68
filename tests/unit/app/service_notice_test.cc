#include "service_notice.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

namespace sluice::app {
namespace {

class ServiceNoticeTest : public ::testing::Test {
 protected:
  ServiceNoticeTest() : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {}
  ~ServiceNoticeTest() override {
    ::close(fd_);
    if (path_[0] == '/') ::unlink(path_.c_str());
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC"}) ::unsetenv(name);
  }
  void listen_at(std::string path) {
    path_ = std::move(path);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, path_.size());
    if (path_[0] == '@') address.sun_path[0] = '\0';
    const size_t length =
        offsetof(sockaddr_un, sun_path) + path_.size() + (path_[0] == '/' ? 1 : 0);
    ASSERT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), static_cast<socklen_t>(length)),
              0);
    ::setenv("NOTIFY_SOCKET", path_.c_str(), 1);
  }
  std::string heard() {
    char buffer[256];
    const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
    return got < 0 ? "" : std::string(buffer, static_cast<size_t>(got));
  }
  int fd_;
  std::string path_ = "-";
};

TEST_F(ServiceNoticeTest, nobody_asked) {
  const ServiceNotice notice = ServiceNotice::from_environment();
  EXPECT_FALSE(notice.is_heard());
  EXPECT_EQ(notice.problem(), "");
  notice.say("READY=1");
}

TEST_F(ServiceNoticeTest, speaks_to_a_path) {
  listen_at(::testing::TempDir() + "/notify-" + std::to_string(::getpid()));
  ServiceNotice notice = ServiceNotice::from_environment();
  ServiceNotice moved = std::move(notice);
  moved.say("READY=1\nSTATUS=x");
  EXPECT_EQ(heard(), "READY=1\nSTATUS=x");
  moved.say_reloading(MonoTime(std::chrono::milliseconds(5)));
  EXPECT_EQ(heard(), "RELOADING=1\nMONOTONIC_USEC=5000");
}

TEST_F(ServiceNoticeTest, speaks_to_an_abstract_name) {
  listen_at("@sluice-notify-" + std::to_string(::getpid()));
  ServiceNotice::from_environment().say("WATCHDOG=1");
  EXPECT_EQ(heard(), "WATCHDOG=1");
}

TEST_F(ServiceNoticeTest, watchdog_needs_a_sane_number_and_someone_who_hears) {
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  EXPECT_EQ(ServiceNotice::from_environment().watchdog(), Duration{0});
  listen_at("@sluice-notify-" + std::to_string(::getpid()));
  EXPECT_EQ(ServiceNotice::from_environment().watchdog(), seconds(30));
  for (const char* text : {"", "0", "-1", "30s", "99999999999999999999"}) {
    ::setenv("WATCHDOG_USEC", text, 1);
    EXPECT_EQ(ServiceNotice::from_environment().watchdog(), Duration{0}) << text;
  }
}

TEST_F(ServiceNoticeTest, what_cannot_be_reached_is_named) {
  for (const std::string& name :
       {std::string("relative"), std::string("/nowhere/notify"), "/" + std::string(200, 'x')}) {
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    const ServiceNotice notice = ServiceNotice::from_environment();
    EXPECT_FALSE(notice.is_heard());
    EXPECT_TRUE(notice.problem().contains("NOTIFY_SOCKET")) << notice.problem();
  }
}

}  // namespace
}  // namespace sluice::app
