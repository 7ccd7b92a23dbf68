#include <sluice/control/address_book.h>

#include <gtest/gtest.h>

#include <list>

#include "sim_world.h"

namespace sluice::control {
namespace {

// Answers when it is told to.
class FakeResolver final : public net::Resolver {
 public:
  explicit FakeResolver(io::Ring& ring) : ring_(ring) {}

  Task<std::expected<net::NameAnswer, std::string>> find_addresses(std::string host,
                                                                   uint16_t port) override {
    ++questions;
    last_host = host;
    io::Event& answered = waiting_.emplace_back(ring_.ready());
    if (!holds_back) answered.trigger();
    co_await io::first_of(&answered);
    waiting_.remove_if([&](const io::Event& event) { return &event == &answered; });
    if (addresses.empty()) co_return std::unexpected("cannot resolve " + host + ": no such name");
    net::NameAnswer answer{.addresses = {}, .valid_for = valid_for};
    for (const char* address : addresses) {
      answer.addresses.push_back(*net::parse_address(address, port));
    }
    co_return answer;
  }
  Task<std::expected<std::vector<net::ServiceRecord>, std::string>> resolve_srv(
      std::string) override {
    co_return std::vector<net::ServiceRecord>();
  }
  Task<void> end() override {
    release();
    co_return;
  }
  void release() {
    holds_back = false;
    for (io::Event& event : waiting_) event.trigger();
  }

  std::vector<const char*> addresses = {"10.0.0.1"};
  Duration valid_for = seconds(30);
  bool holds_back = false;
  int questions = 0;
  std::string last_host;

 private:
  io::Ring& ring_;
  std::list<io::Event> waiting_;
};

class CountingLogger final : public Logger {
 public:
  [[nodiscard]] bool is_enabled(LogLevel) const noexcept override { return true; }
  void write(LogLevel level, std::string_view, std::string_view message) override {
    ++(level == LogLevel::kWarn ? warnings : others);
    last = message;
  }
  std::string last;
  int warnings = 0;
  int others = 0;
};

config::Upstream named(std::string name, std::string host) {
  config::Upstream upstream;
  upstream.name = std::move(name);
  upstream.endpoint.host = std::move(host);
  upstream.endpoint.port = 80;
  upstream.private_addresses = true;
  return upstream;
}

class AddressBookTest : public ::testing::Test {
 protected:
  AddressBookTest() {
    snapshot_.generation = 1;
    snapshot_.upstreams = {named("fixed", "127.0.0.1"), named("moving", "host.test")};
  }
  ~AddressBookTest() override {
    io::start_detached(book_.end());
    EXPECT_TRUE(world_.run_until(ring_, [this] { return !book_.is_busy(); }));
  }

  std::vector<AddressBook::Addresses> find(Duration patience = seconds(5)) {
    std::vector<AddressBook::Addresses> found;
    bool is_done = false;
    io::start_detached(find_into(&found, &is_done, patience));
    EXPECT_TRUE(world_.run_until(ring_, [&] { return is_done; }));
    return found;
  }
  Task<void> find_into(std::vector<AddressBook::Addresses>* found, bool* is_done,
                       Duration patience) {
    *found = co_await book_.find(snapshot_, Deadline{ring_.now() + patience});
    *is_done = true;
  }
  // What has changed once `duration` has passed and everything due was asked again.
  std::vector<upstream::UpdateAddresses> changes_after(Duration duration) {
    EXPECT_TRUE(world_.run_for(ring_, duration));
    book_.refresh(snapshot_);
    EXPECT_TRUE(world_.run_for(ring_, milliseconds(1)));
    return book_.take_changes(snapshot_);
  }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 64, .most = 64}};
  CountingLogger log_;
  config::Snapshot snapshot_;
  FakeResolver resolver_{ring_};
  AddressBook book_{ring_, resolver_, log_};
};

TEST_F(AddressBookTest, names_are_looked_up_and_numbers_are_not) {
  const auto found = find();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].at(0).to_text(), "127.0.0.1:80");
  EXPECT_EQ(found[1].at(0).to_text(), "10.0.0.1:80");
  EXPECT_EQ(resolver_.questions, 1);
}

TEST_F(AddressBookTest, behind_a_proxy_the_proxys_name_is_looked_up) {
  snapshot_.upstreams[1].proxy.emplace();
  snapshot_.upstreams[1].proxy->host = "proxy.test";
  EXPECT_EQ(find()[1].at(0).to_text(), "10.0.0.1:3128");
  EXPECT_EQ(resolver_.last_host, "proxy.test");
  EXPECT_EQ(resolver_.questions, 1);
}

TEST_F(AddressBookTest, a_failure_is_told_once_and_so_is_its_end) {
  resolver_.addresses.clear();
  EXPECT_TRUE(find()[1].empty());
  EXPECT_EQ(log_.warnings, 1);
  EXPECT_TRUE(changes_after(AddressBook::kRetryAfter).empty());
  EXPECT_EQ(resolver_.questions, 2);
  EXPECT_EQ(log_.warnings, 1);
  resolver_.addresses = {"10.0.0.2"};
  const auto changes = changes_after(AddressBook::kRetryAfter);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].upstream, UpstreamId{1});
  EXPECT_EQ(changes[0].addresses.at(0).to_text(), "10.0.0.2:80");
  EXPECT_EQ(log_.others, 1);
  EXPECT_TRUE(book_.take_changes(snapshot_).empty());
}

TEST_F(AddressBookTest, a_name_is_asked_for_again_when_its_answer_is_over) {
  static_cast<void>(find());
  static_cast<void>(book_.take_changes(snapshot_));
  resolver_.addresses = {"10.0.0.2", "10.0.0.3"};
  EXPECT_TRUE(changes_after(seconds(29)).empty());
  EXPECT_EQ(resolver_.questions, 1);
  const auto changes = changes_after(seconds(1));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].addresses.size(), 2u);
}

TEST_F(AddressBookTest, validity_has_bounds_both_ways) {
  resolver_.valid_for = Duration::zero();
  static_cast<void>(find());
  static_cast<void>(changes_after(milliseconds(900)));
  EXPECT_EQ(resolver_.questions, 1);
  resolver_.valid_for = std::chrono::hours(24 * 365);
  static_cast<void>(changes_after(milliseconds(200)));
  EXPECT_EQ(resolver_.questions, 2);
  static_cast<void>(changes_after(AddressBook::kValidMax - seconds(1)));
  EXPECT_EQ(resolver_.questions, 2);
  static_cast<void>(changes_after(seconds(1)));
  EXPECT_EQ(resolver_.questions, 3);
}

TEST_F(AddressBookTest, another_order_is_no_change) {
  resolver_.addresses = {"10.0.0.1", "10.0.0.2"};
  static_cast<void>(find());
  static_cast<void>(book_.take_changes(snapshot_));
  resolver_.addresses = {"10.0.0.2", "10.0.0.1"};
  EXPECT_TRUE(changes_after(seconds(30)).empty());
  EXPECT_EQ(resolver_.questions, 2);
}

TEST_F(AddressBookTest, name_that_is_lost_keeps_its_addresses) {
  static_cast<void>(find());
  static_cast<void>(book_.take_changes(snapshot_));
  resolver_.addresses.clear();
  EXPECT_TRUE(changes_after(seconds(30)).empty());
  EXPECT_EQ(log_.warnings, 1);
  EXPECT_EQ(find()[1].at(0).to_text(), "10.0.0.1:80");
}

TEST_F(AddressBookTest, an_answer_that_comes_at_once_is_not_waited_for) {
  const MonoTime begun = ring_.now();
  static_cast<void>(find());
  EXPECT_LT(ring_.now() - begun, milliseconds(10));
}

TEST_F(AddressBookTest, known_names_are_not_waited_for_again) {
  static_cast<void>(find());
  static_cast<void>(find());
  EXPECT_EQ(resolver_.questions, 1);
}

TEST_F(AddressBookTest, an_answer_after_the_deadline_is_a_change) {
  resolver_.holds_back = true;
  const auto found = find(seconds(1));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_TRUE(found[1].empty());
  EXPECT_EQ(log_.warnings, 1);
  resolver_.release();
  EXPECT_EQ(changes_after(milliseconds(1)).size(), 1u);
}

TEST_F(AddressBookTest,
       d61_a_name_that_leads_only_where_nobody_dials_is_warned_of_with_the_remedy) {
  snapshot_.upstreams[1].private_addresses = false;
  static_cast<void>(find());
  EXPECT_EQ(changes_after(milliseconds(1)).size(), 1u);
  EXPECT_EQ(log_.warnings, 1);
  EXPECT_EQ(log_.last,
            "upstream moving: host.test resolves to 10.0.0.1:80, which is dialled only with "
            "private_addresses: true");
  resolver_.addresses = {"169.254.169.254"};
  EXPECT_EQ(changes_after(seconds(30)).size(), 1u);
  EXPECT_EQ(log_.last,
            "upstream moving: host.test resolves to 169.254.169.254:80, which is never dialled");
  resolver_.addresses = {"169.254.169.254", "1.1.1.1"};
  EXPECT_EQ(changes_after(seconds(30)).size(), 1u);
  EXPECT_EQ(log_.warnings, 2);
}

TEST_F(AddressBookTest, names_of_no_snapshot_are_forgotten) {
  static_cast<void>(find());
  snapshot_.upstreams.pop_back();
  snapshot_.generation = 2;
  book_.refresh(snapshot_);
  snapshot_.upstreams.push_back(named("moving", "host.test"));
  static_cast<void>(find());
  EXPECT_EQ(resolver_.questions, 2);
}

TEST_F(AddressBookTest, look_ups_at_once_are_bounded_and_all_get_their_turn) {
  snapshot_.upstreams.clear();
  for (uint32_t i = 0; i < 3 * AddressBook::kLookUpsAtOnce; ++i) {
    snapshot_.upstreams.push_back(named("u", "host" + std::to_string(i) + ".test"));
  }
  resolver_.holds_back = true;
  book_.refresh(snapshot_);
  EXPECT_EQ(resolver_.questions, static_cast<int>(AddressBook::kLookUpsAtOnce));
  resolver_.release();
  for (const AddressBook::Addresses& addresses : find()) EXPECT_EQ(addresses.size(), 1u);
}

TEST_F(AddressBookTest, an_end_does_not_wait_for_name_servers) {
  resolver_.holds_back = true;
  book_.refresh(snapshot_);
  EXPECT_TRUE(book_.is_busy());
  io::start_detached(book_.end());
  EXPECT_TRUE(world_.run_until(ring_, [this] { return !book_.is_busy(); }));
  EXPECT_EQ(log_.warnings, 0);
}

}  // namespace
}  // namespace sluice::control
