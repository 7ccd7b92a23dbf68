// A gateway of which admin calls can be asked, without any of its threads.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <sluice/admin/admin_server.h>

#include "sim_clock.h"

namespace sluice::admin {

class FakeOperations final : public control::Operations {
 public:
  FakeOperations() {
    snapshot_.generation = 4;
    snapshot_.source_path = "a.yaml";
    config::Upstream upstream;
    upstream.name = "one";
    upstream.endpoint.authority = "host:81";
    upstream.endpoint.query = "api_key=hidden-in-url";
    upstream.credential = {"authorization", "Bearer hidden-credential"};
    upstream.headers = {{"x-secret", "hidden-header"}};
    upstream.weight = 3;
    snapshot_.upstreams.push_back(upstream);
  }
  Task<control::ReloadOutcome> reload(std::string_view) override {
    ++reloads;
    co_return outcome;
  }
  Task<control::UpgradeOutcome> upgrade(Duration patience, std::string_view) override {
    upgrade_patience = patience;
    co_return upgrade_outcome;
  }
  bool begin_drain(std::string_view) override { return !std::exchange(draining, true); }
  [[nodiscard]] bool is_draining() const override { return draining; }
  [[nodiscard]] const config::Snapshot& snapshot() const override { return snapshot_; }
  [[nodiscard]] control::UpstreamState upstream_state(UpstreamId) const override { return state; }
  [[nodiscard]] control::SpendState spend_state() const override { return spend; }
  bool order(std::string_view upstream, control::UpstreamOrder order, Duration length,
             std::string_view asked_by) override {
    if (upstream != "one" && upstream != "group/[::1]:80") return false;
    orders.push_back({std::string(upstream), order, length, std::string(asked_by)});
    return true;
  }

  struct Order {
    std::string upstream;
    control::UpstreamOrder order;
    Duration length;
    std::string asked_by;
    bool operator==(const Order&) const = default;
  };
  std::vector<Order> orders;
  control::UpstreamState state;
  control::SpendState spend;
  control::ReloadOutcome outcome{.generation = 5};
  int reloads = 0;
  control::UpgradeOutcome upgrade_outcome{.pid = 7, .version = "2.0"};
  Duration upgrade_patience{};
  bool draining = false;
  config::Snapshot snapshot_;
};

// A directory of the test's own making, or a store in a folder of its own.
class FakeKeys final : public KeyWork {
 public:
  ~FakeKeys() override {
    store.reset();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  void open(Clock& clock) {
    folder_ = ::testing::TempDir() + "sluice_admin_XXXXXX";
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    auto opened = auth::KeyStore::open(folder_ + "/keys.db", clock);
    ASSERT_TRUE(opened) << opened.error();
    store = *std::move(opened);
  }
  [[nodiscard]] bool has_store() const noexcept override { return store != nullptr; }
  Task<std::expected<void, std::string>> run(control::KeyDesk::Job job) override {
    if (store == nullptr) co_return std::unexpected("there is none");
    job(*store);
    delta_ = auth::apply(delta_.get(), store->take_changes());
    co_return std::expected<void, std::string>();
  }
  [[nodiscard]] auth::Directory present() const noexcept override {
    return {index.get(), delta_.get(), 1};
  }
  auth::IndexPtr index;
  std::unique_ptr<auth::KeyStore> store;

 private:
  std::string folder_;
  auth::DeltaPtr delta_;
};

inline Task<void> ask(control::SmallService& service, const control::SmallRequest* request,
                      control::SmallAnswer* answer, bool* is_done) {
  *answer = co_await service.answer(*request);
  *is_done = true;
}

class AdminTest : public ::testing::Test {
 protected:
  // As it is.
  control::SmallAnswer send_plain(const control::SmallRequest& request) {
    control::SmallAnswer answer = serve(request);
    EXPECT_TRUE(answer.body.ends_with("}\n")) << answer.body;
    return answer;
  }
  // The same, whatever comes.
  control::SmallAnswer serve(const control::SmallRequest& request) {
    control::SmallAnswer answer;
    bool is_done = false;
    io::start_detached(ask(*service_, &request, &answer, &is_done));
    EXPECT_TRUE(is_done);
    return answer;
  }
  // Over the Unix socket.
  control::SmallAnswer send(control::SmallRequest request) {
    request.peer = {.process = net::PeerCredentials{.uid = 7, .gid = 8, .pid = 9},
                    .address = "unix"};
    return send_plain(request);
  }
  control::SmallAnswer get(std::string path, std::string query = {}) {
    return send({.method = http::Method::kGet, .path = std::move(path), .query = std::move(query)});
  }
  control::SmallAnswer post(std::string path, std::string body = {}) {
    return send({.method = http::Method::kPost,
                 .path = std::move(path),
                 .content_type = "application/json",
                 .body = std::move(body)});
  }
  // Over the second listener, with a token.
  control::SmallAnswer send_as(std::string_view token, control::SmallRequest request,
                               std::string address = "127.0.0.1") {
    request.authorization = "Bearer " + std::string(token);
    request.peer = {.process = {}, .address = std::move(address)};
    return send_plain(request);
  }

  FakeOperations operations_;
  metrics::Registry registry_{2};
  std::vector<ShardSeat> seats_ = {{.cpu = 6}, {.cpu = -1}};
  support::SimClock clock_;
  NullLogger log_;
  FakeKeys keys_;
  std::unique_ptr<AdminService> service_ = std::make_unique<AdminService>(
      AdminParts{operations_, registry_, clock_, log_, seats_, "1.2.3", &keys_});
};

}  // namespace sluice::admin
