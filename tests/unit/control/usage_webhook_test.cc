#include "usage_webhook.h"

#include <gtest/gtest.h>

#include <sluice/json/value.h>

#include "sim_world.h"
#include "usage_records.h"

namespace sluice::control {
namespace {

class NumberNames final : public net::Resolver {
 public:
  Task<std::expected<net::NameAnswer, std::string>> find_addresses(std::string host,
                                                                   uint16_t port) override {
    co_return net::NameAnswer{.addresses = {*net::parse_address(host, port)},
                              .valid_for = seconds(1)};
  }
  Task<std::expected<std::vector<net::ServiceRecord>, std::string>> resolve_srv(
      std::string) override {
    co_return std::vector<net::ServiceRecord>{};
  }
  Task<void> end() override { co_return; }
};

UsageRow row(uint64_t number) {
  UsageRow row;
  row.number = number;
  row.id = "7-" + std::to_string(number);
  row.key = "app";
  row.endpoint = "/v1/embeddings";
  row.source = "reported";
  return row;
}

class UsageWebhookTest : public testing::Test {
 protected:
  UsageWebhookTest() {
    world_.serve(support::sim_address("10.0.0.1", 80), [this]() -> support::SimPeer& {
      support::SimPeer& peer = world_.adopt();
      peer.when_bytes = [this, &peer](std::string_view bytes) {
        request_ += bytes;
        if (!answer_.empty() && request_.ends_with("]}")) peer.send(answer_);
      };
      return peer;
    });
    auto made = UsageWebhook::make({.name = "billing",
                                    .url = "http://10.0.0.1/take?token=canary-url",
                                    .private_addresses = true,
                                    .headers = {{"authorization", "Bearer canary-header"}}},
                                   {}, ring_, names_);
    EXPECT_TRUE(made) << made.error();
    if (made) target_ = std::move(*made);
  }
  ~UsageWebhookTest() override {
    bool is_over = false;
    io::start_detached(end_task(&is_over));
    EXPECT_TRUE(world_.run_until(ring_, [&] { return is_over; }));
  }
  Task<void> end_task(bool* is_over) {
    co_await target_->end();
    *is_over = true;
  }
  Task<void> deliver_task(const std::vector<UsageRow>* rows,
                          std::optional<UsageResult<void>>* out) {
    auto result = co_await target_->deliver(*rows, Deadline{ring_.now() + seconds(10)});
    out->emplace(std::move(result));
  }
  UsageResult<void> deliver(const std::vector<UsageRow>& rows) {
    std::optional<UsageResult<void>> out;
    io::start_detached(deliver_task(&rows, &out));
    EXPECT_TRUE(world_.run_until(ring_, [&] { return out.has_value(); }));
    return std::move(*out);
  }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 64, .most = 64}};
  NumberNames names_;
  std::string request_;
  std::string answer_ = "HTTP/1.1 204 No Content\r\n\r\n";
  std::unique_ptr<UsageTarget> target_;
};

TEST_F(UsageWebhookTest, d135_body_is_a_list_of_records_as_they_are_documented) {
  const auto taken = deliver({row(1), row(2)});
  ASSERT_TRUE(taken) << taken.error();
  EXPECT_TRUE(request_.starts_with("POST /take?token=canary-url HTTP/1.1\r\n")) << request_;
  EXPECT_TRUE(request_.contains("content-type: application/json\r\n"));
  EXPECT_TRUE(request_.contains("authorization: Bearer canary-header\r\n"));
  const std::string body = request_.substr(request_.find("\r\n\r\n") + 4);
  std::string first;
  json::Writer writer(first);
  write_usage_row(writer, row(1));
  EXPECT_TRUE(body.starts_with("{\"records\":[" + first + ",{\"id\":\"7-2\"")) << body;
}

TEST_F(UsageWebhookTest, what_is_no_2xx_is_a_failure_that_tells_no_secret) {
  for (const char* const line : {"302 Found", "400 Bad Request", "500 Internal Server Error"}) {
    answer_ = std::string("HTTP/1.1 ") + line + "\r\ncontent-length: 0\r\n\r\n";
    request_.clear();
    const auto taken = deliver({row(1)});
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error(), "the webhook answered " + std::string(line, 3));
  }
}

TEST_F(UsageWebhookTest, d071_silence_ends_at_the_deadline_with_a_failure_that_tells_no_secret) {
  answer_.clear();
  const MonoTime before = ring_.now();
  const auto taken = deliver({row(1)});
  ASSERT_FALSE(taken);
  EXPECT_LE(ring_.now() - before, seconds(11));
  EXPECT_FALSE(taken.error().contains("canary")) << taken.error();
}

TEST(UsageWebhook, authorities_that_cannot_be_read_are_refused) {
  EXPECT_EQ(read_authorities(""), "");
  const auto text = read_authorities("/no/such.pem");
  ASSERT_FALSE(text);
  EXPECT_TRUE(text.error().contains("tls_ca /no/such.pem")) << text.error();
}

}  // namespace
}  // namespace sluice::control
