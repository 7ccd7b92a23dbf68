// The resolver on a real ring, against a name server on the loopback.
#include <sluice/net/system_resolver.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>

#include <sluice/io/uring_kernel.h>
#include <sluice/net/address_choice.h>

#include "name_server.h"

namespace sluice::net {
namespace {

class SystemResolverTest : public testing::Test {
 protected:
  using Found = std::expected<NameAnswer, std::string>;
  using Services = std::expected<std::vector<ServiceRecord>, std::string>;

  ~SystemResolverTest() override {
    end_now();
    EXPECT_TRUE(resolver_.is_idle());
  }
  template <class Condition>
  void turn_until(Condition condition) {
    while (!condition()) {
      server_.serve();
      ring_.turn(false);
    }
  }
  Task<void> find_into(std::optional<Found>* found, std::string host) {
    found->emplace(co_await resolver_.find_addresses(std::move(host), 443));
  }
  Task<void> services_into(std::optional<Services>* found, std::string name) {
    found->emplace(co_await resolver_.resolve_srv(std::move(name)));
  }
  Task<void> end_into(bool* is_done) {
    co_await resolver_.end();
    *is_done = true;
  }
  void end_now() {
    bool is_done = false;
    io::start_detached(end_into(&is_done));
    turn_until([&] { return is_done; });
  }
  Found find(std::string host) {
    std::optional<Found> found;
    io::start_detached(find_into(&found, std::move(host)));
    turn_until([&] { return found.has_value(); });
    return *found;
  }
  // Sorted, because the order depends on this machine's routes.
  std::vector<std::string> texts(std::string host) {
    const Found found = find(std::move(host));
    if (!found) return {found.error()};
    std::vector<std::string> texts;
    for (const Address& address : found->addresses) texts.push_back(address.to_text());
    std::ranges::sort(texts);
    return texts;
  }

  NameServer server_;
  std::unique_ptr<io::Kernel> kernel_ = std::move(*io::open_uring_kernel({.buffers_most = 64}));
  io::SystemSyscalls syscalls_;
  SystemClock clock_;
  io::Ring ring_{*kernel_, syscalls_, clock_, {.hot = 64, .most = 64}};
  SystemResolver resolver_{
      ring_, {.servers = server_.address(), .timeout = milliseconds(100), .tries = 2}};
};

TEST_F(SystemResolverTest, all_addresses_of_both_families_are_found) {
  server_.add_v4("host.test", 60, "10.0.0.1");
  server_.add_v4("host.test", 60, "10.0.0.2");
  server_.add_v6("host.test", 60, "2a00::1");
  EXPECT_EQ(texts("host.test."),
            (std::vector<std::string>{"10.0.0.1:443", "10.0.0.2:443", "[2a00::1]:443"}));
}

TEST_F(SystemResolverTest, one_family_alone_will_do) {
  server_.add_v4("four.test", 60, "10.0.0.1");
  server_.add_v6("six.test", 60, "2a00::1");
  EXPECT_EQ(texts("four.test."), std::vector<std::string>{"10.0.0.1:443"});
  EXPECT_EQ(texts("six.test."), std::vector<std::string>{"[2a00::1]:443"});
}

TEST_F(SystemResolverTest, the_shortest_validity_counts) {
  server_.add_v4("host.test", 70, "10.0.0.1");
  server_.add_v6("host.test", 50, "2a00::1");
  EXPECT_EQ(find("host.test.")->valid_for, seconds(50));
}

TEST_F(SystemResolverTest, numbers_and_the_hosts_file_need_no_server) {
  EXPECT_EQ(texts("10.0.0.9"), std::vector<std::string>{"10.0.0.9:443"});
  EXPECT_EQ(texts("::1"), std::vector<std::string>{"[::1]:443"});
  EXPECT_FALSE(find("localhost")->addresses.empty());
  EXPECT_GT(find("localhost")->valid_for, seconds(1));
  EXPECT_EQ(server_.questions, 0);
}

TEST_F(SystemResolverTest, a_name_that_is_not_is_a_sentence_that_names_it) {
  const Found found = find("none.test.");
  ASSERT_FALSE(found);
  EXPECT_TRUE(found.error().starts_with("cannot resolve none.test.: ")) << found.error();
}

TEST_F(SystemResolverTest, a_silent_server_is_given_up) {
  server_.is_silent = true;
  EXPECT_FALSE(find("host.test."));
  EXPECT_GE(server_.questions, 2);
}

TEST_F(SystemResolverTest, a_garbled_answer_is_an_error) {
  server_.add_v4("host.test", 60, "10.0.0.1");
  server_.is_garbled = true;
  EXPECT_FALSE(find("host.test."));
}

TEST_F(SystemResolverTest, names_that_cannot_be_are_errors) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string(300, 'a'), std::string("a..b")}) {
    EXPECT_FALSE(find(name)) << name;
  }
}

TEST_F(SystemResolverTest, an_answer_cut_short_is_asked_for_by_tcp) {
  server_.add_v4("host.test", 60, "10.0.0.1");
  server_.is_cut_short = true;
  EXPECT_EQ(texts("host.test."), std::vector<std::string>{"10.0.0.1:443"});
  EXPECT_GE(server_.questions_by_tcp, 1);
}

TEST_F(SystemResolverTest, of_very_many_addresses_a_bounded_number_is_kept) {
  for (int i = 0; i < 100; ++i) {
    server_.add_v4("host.test", 60, ("10.0.1." + std::to_string(i)).c_str());
  }
  server_.is_cut_short = true;
  EXPECT_EQ(find("host.test.")->addresses.size(), size_t{kKnownAddressesMost});
}

TEST_F(SystemResolverTest, look_ups_run_side_by_side_and_leave_nothing_open) {
  std::vector<std::optional<Found>> all(50);
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string host = "host" + std::to_string(i) + ".test";
    server_.add_v4(host, 60, ("10.0.2." + std::to_string(i)).c_str());
    io::start_detached(find_into(&all[i], host + "."));
  }
  turn_until([&] {
    return std::ranges::all_of(all, [](const auto& found) { return found.has_value(); });
  });
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ((*all[i])->addresses.at(0).to_text(), "10.0.2." + std::to_string(i) + ":443");
  }
  turn_until([&] { return resolver_.is_idle(); });
  for (int i = 0; i < 10; ++i) ring_.turn(false);
  EXPECT_EQ(ring_.ops_in_flight(), 1u);  // The wake-up's.
}

TEST_F(SystemResolverTest, services_are_found_with_their_ports) {
  server_.add_service("_llm._tcp.test", 1, 10, 8001, "a.test");
  server_.add_service("_llm._tcp.test", 2, 20, 8002, "b.test");
  std::optional<Services> found;
  io::start_detached(services_into(&found, "_llm._tcp.test"));
  turn_until([&] { return found.has_value(); });
  ASSERT_TRUE(found->has_value()) << found->error();
  std::ranges::sort(**found, {}, &ServiceRecord::port);
  EXPECT_EQ(**found, (std::vector<ServiceRecord>{
                         {.host = "a.test", .port = 8001, .priority = 1, .weight = 10},
                         {.host = "b.test", .port = 8002, .priority = 2, .weight = 20}}));
}

TEST_F(SystemResolverTest, an_absent_service_has_no_servers) {
  server_.add("_llm._tcp.test", NameServer::kService, 60, std::string(7, '\0'));
  std::optional<Services> found;
  io::start_detached(services_into(&found, "_llm._tcp.test"));
  turn_until([&] { return found.has_value(); });
  ASSERT_TRUE(found->has_value()) << found->error();
  EXPECT_TRUE((*found)->empty());
}

TEST_F(SystemResolverTest, a_service_that_is_not_is_an_error) {
  std::optional<Services> found;
  io::start_detached(services_into(&found, "_none._tcp.test"));
  turn_until([&] { return found.has_value(); });
  EXPECT_FALSE(found->has_value());
}

TEST_F(SystemResolverTest, an_end_waits_for_no_server) {
  server_.is_silent = true;
  std::optional<Found> found;
  io::start_detached(find_into(&found, "host.test."));
  ring_.turn(false);
  EXPECT_FALSE(found.has_value());
  end_now();
  ASSERT_TRUE(found.has_value());
  EXPECT_FALSE(found->has_value());
}

}  // namespace
}  // namespace sluice::net
