#include "key_sources.h"

#include <gtest/gtest.h>

#include "sim_world.h"

namespace sluice::control {
namespace {

class NoNames final : public net::Resolver {
 public:
  Task<std::expected<net::NameAnswer, std::string>> find_addresses(std::string, uint16_t) override {
    co_return std::unexpected("cannot resolve");
  }
  Task<std::expected<std::vector<net::ServiceRecord>, std::string>> resolve_srv(
      std::string) override {
    co_return std::vector<net::ServiceRecord>{};
  }
  Task<void> end() override { co_return; }
};

TEST(KeySources, those_that_shards_decide_are_not_asked_here) {
  using config::SourceKind;
  EXPECT_EQ(outside_kind(SourceKind::kFile), std::nullopt);
  EXPECT_EQ(outside_kind(SourceKind::kSqlite), std::nullopt);
  EXPECT_EQ(outside_kind(SourceKind::kLua), std::nullopt);
  EXPECT_EQ(outside_kind(SourceKind::kRedis), metrics::KeySourceKind::kRedis);
  EXPECT_EQ(outside_kind(SourceKind::kWebhook), metrics::KeySourceKind::kWebhook);
}

TEST(KeySources, what_cannot_be_made_says_why) {
  support::SimWorld world;
  io::Ring ring{world.kernel(), world.syscalls(), world.clock(), {.hot = 8, .most = 8}};
  io::OffloadReturns returns{ring};
  NoNames names;
  NullLogger log;
  const SourceParts parts{.ring = ring, .returns = returns, .resolver = names, .log = log};
  config::SourceSettings settings;
  settings.kind = config::SourceKind::kWebhook;
  settings.url = "https://hook.example/";
  settings.tls_ca = "/nonexistent/ca.pem";
  const auto made = make_source(settings, parts);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error(),
            "/nonexistent/ca.pem cannot be read as certificates; give a readable PEM file");
  settings.tls_ca = "";
  settings.url = "gopher://hook.example/";
  EXPECT_FALSE(make_source(settings, parts).has_value());
}

}  // namespace
}  // namespace sluice::control
