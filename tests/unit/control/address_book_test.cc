#include <sluice/control/address_book.h>

#include <gtest/gtest.h>

#include <atomic>

#include <sluice/io/uring_kernel.h>

namespace sluice::control {
namespace {

// What the pretended name server says: the last octet of the address, or 0 for no such name.
std::atomic<int> answer{0};
std::atomic<int> questions{0};

std::expected<std::vector<net::Address>, std::string> pretend_resolve(const std::string& host,
                                                                      uint16_t port) {
  ++questions;
  if (answer == 0) return std::unexpected("cannot resolve " + host + ": no such name");
  return std::vector{*net::parse_address("10.0.0." + std::to_string(answer), port)};
}

class CountingLogger final : public Logger {
 public:
  [[nodiscard]] bool is_enabled(LogLevel) const noexcept override { return true; }
  void write(LogLevel level, std::string_view, std::string_view) override {
    if (level == LogLevel::kWarn) ++warnings;
  }
  int warnings = 0;
};

config::Upstream named(std::string name, std::string host) {
  config::Upstream upstream;
  upstream.name = std::move(name);
  upstream.endpoint.host = std::move(host);
  upstream.endpoint.port = 80;
  return upstream;
}

class AddressBookTest : public ::testing::Test, private io::TurnHook {
 protected:
  AddressBookTest() {
    answer = questions = 0;
    ring_.set_hook(*this);
    snapshot_.upstreams = {named("fixed", "127.0.0.1"), named("moving", "host.test")};
  }
  ~AddressBookTest() override {
    turn_until([&] { return !book_.is_busy(); });
    ring_.clear_hook();
  }

  std::vector<AddressBook::Addresses> find(Duration patience = seconds(30)) {
    std::vector<AddressBook::Addresses> found;
    bool is_done = false;
    io::start_detached(find_into(&found, &is_done, patience));
    turn_until([&] { return is_done; });
    return found;
  }
  Task<void> find_into(std::vector<AddressBook::Addresses>* found, bool* is_done,
                       Duration patience) {
    *found = co_await book_.find(snapshot_, Deadline{ring_.now() + patience});
    *is_done = true;
  }
  template <class Condition>
  void turn_until(Condition condition) {
    while (!condition()) ring_.turn(false);
  }

  std::unique_ptr<io::Kernel> kernel_ = std::move(*io::open_uring_kernel({.buffers_most = 64}));
  io::SystemSyscalls syscalls_;
  SystemClock clock_;
  io::Ring ring_{*kernel_, syscalls_, clock_, {.hot = 64, .most = 64}};
  io::OffloadReturns returns_{ring_};
  CountingLogger log_;
  config::Snapshot snapshot_;
  std::unique_ptr<io::Lane> lane_ = std::make_unique<io::Lane>();
  AddressBook book_{*lane_, returns_, log_, pretend_resolve};

 private:
  [[nodiscard]] bool has_work() const noexcept override {
    return const_cast<io::OffloadReturns&>(returns_).has_work();
  }
  void run() override { returns_.run(); }
};

TEST_F(AddressBookTest, names_are_looked_up_and_numbers_are_not) {
  answer = 1;
  const auto found = find();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].at(0).to_text(), "127.0.0.1:80");
  EXPECT_EQ(found[1].at(0).to_text(), "10.0.0.1:80");
  EXPECT_EQ(questions, 1);
}

TEST_F(AddressBookTest, unknown_name_is_a_warning_and_has_no_address) {
  const auto found = find();
  EXPECT_TRUE(found[1].empty());
  EXPECT_EQ(log_.warnings, 1);
  book_.refresh(snapshot_);
  turn_until([&] { return !book_.is_busy(); });
  EXPECT_EQ(log_.warnings, 1);  // Told once, not every 30 seconds.
}

TEST_F(AddressBookTest, name_that_resolves_later_is_a_change) {
  static_cast<void>(find());
  EXPECT_TRUE(book_.take_changes(snapshot_).empty());
  answer = 2;
  book_.refresh(snapshot_);
  turn_until([&] { return !book_.is_busy(); });
  const auto changes = book_.take_changes(snapshot_);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].upstream, UpstreamId{1});
  EXPECT_EQ(changes[0].addresses.at(0).to_text(), "10.0.0.2:80");
  EXPECT_TRUE(book_.take_changes(snapshot_).empty());
}

TEST_F(AddressBookTest, same_answer_is_no_change) {
  answer = 1;
  static_cast<void>(find());
  static_cast<void>(book_.take_changes(snapshot_));
  book_.refresh(snapshot_);
  turn_until([&] { return !book_.is_busy(); });
  EXPECT_TRUE(book_.take_changes(snapshot_).empty());
}

TEST_F(AddressBookTest, name_that_is_lost_keeps_its_addresses) {
  answer = 1;
  static_cast<void>(find());
  static_cast<void>(book_.take_changes(snapshot_));
  answer = 0;
  book_.refresh(snapshot_);
  turn_until([&] { return !book_.is_busy(); });
  EXPECT_TRUE(book_.take_changes(snapshot_).empty());
  EXPECT_EQ(find()[1].at(0).to_text(), "10.0.0.1:80");
}

TEST_F(AddressBookTest, known_names_are_not_waited_for_again) {
  answer = 1;
  static_cast<void>(find());
  static_cast<void>(find());
  EXPECT_EQ(questions, 1);
}

TEST_F(AddressBookTest, deadline_that_has_passed_leaves_the_name_empty_and_its_answer_comes_later) {
  answer = 3;
  const auto found = find(Duration{1});
  ASSERT_EQ(found.size(), 2u);
  turn_until([&] { return !book_.is_busy(); });
  // Either it came in time after all, or it is a change now.
  EXPECT_EQ(found[1].empty(), log_.warnings == 1);
  EXPECT_EQ(book_.take_changes(snapshot_).size(), 1u);
}

TEST_F(AddressBookTest, names_of_no_snapshot_are_forgotten) {
  answer = 1;
  static_cast<void>(find());
  snapshot_.upstreams.pop_back();
  book_.refresh(snapshot_);
  snapshot_.upstreams.push_back(named("moving", "host.test"));
  static_cast<void>(find());
  EXPECT_EQ(questions, 2);
}

}  // namespace
}  // namespace sluice::control
