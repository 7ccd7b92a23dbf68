#include <sluice/control/metrics_service.h>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

Task<void> ask(SmallService& service, const SmallRequest* request, SmallAnswer* answer) {
  *answer = co_await service.answer(*request);
}

class MetricsServiceTest : public ::testing::Test {
 protected:
  SmallAnswer get(http::Method method, std::string path) {
    const SmallRequest request{.method = method, .path = std::move(path)};
    SmallAnswer answer;
    io::start_detached(ask(service_, &request, &answer));
    return answer;
  }
  metrics::Registry registry_{2};
  ByteBudget budget_{1000};
  SystemClock clock_;
  NullLogger log_;
  CertificateWatch certificates_{log_};
  MetricsService service_{registry_, budget_, certificates_, clock_, "1.2.3"};
};

TEST_F(MetricsServiceTest, shows_all_shards_merged_and_the_process) {
  registry_.shard(ShardId{0}).connections_accepted.add(2);
  registry_.shard(ShardId{1}).connections_accepted.add(3);
  const SmallAnswer answer = get(http::Method::kGet, "/metrics");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.content_type.starts_with("text/plain; version=0.0.4"));
  EXPECT_TRUE(answer.body.contains("\nsluice_connections_accepted_total 5\n"));
  EXPECT_TRUE(answer.body.contains("sluice_build_info{version=\"1.2.3\"} 1\n"));
  EXPECT_TRUE(answer.body.contains("sluice_byte_budget_ceiling_bytes 1000\n"));
  EXPECT_TRUE(answer.body.contains("process_resident_memory_bytes "));
}

TEST_F(MetricsServiceTest, shows_the_days_that_certificates_have_left) {
  certificates_.replace({{"/etc/a.pem", {clock_.wall().unix_us + 86'400'000'000 * 40 - 1}}},
                        clock_.wall());
  EXPECT_TRUE(
      get(http::Method::kGet, "/metrics")
          .body.contains("\nsluice_tls_certificate_expires_days{file=\"/etc/a.pem\"} 39\n"));
}

TEST_F(MetricsServiceTest, d011_serves_nothing_else) {
  for (const char* path : {"/", "/metrics/", "/metrics/x", "/v1/models", "/livez", "/METRICS"}) {
    EXPECT_EQ(get(http::Method::kGet, path).status, 404) << path;
  }
  const SmallAnswer posted = get(http::Method::kPost, "/metrics");
  EXPECT_EQ(posted.status, 405);
  EXPECT_EQ(posted.allow, "GET, HEAD");
}

}  // namespace
}  // namespace sluice::control
