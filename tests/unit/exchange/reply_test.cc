#include "reply.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "fake_sink.h"
#include "sim_world.h"
#include "strict_json.h"

namespace sluice::exchange {
namespace {

constexpr auto kLastCode = ErrorCode::kConfig;

class ReplyTest : public testing::Test {
 protected:
  ReplyTest() { services_.generation = &generation_; }

  Task<void> answer(FakeSink* sink, ErrorCode code, ErrorDetails details) {
    status_ = co_await reply_error(services_, *sink, {.request_id = "id-1"}, code, details);
    is_done_ = true;
  }
  FakeSink& answered(ErrorCode code, ErrorDetails details = {}) {
    sinks_.push_back(std::make_unique<FakeSink>(ring_.ready()));
    io::start_detached(answer(sinks_.back().get(), code, details));
    EXPECT_TRUE(is_done_) << to_string(code);
    return *sinks_.back();
  }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 64, .most = 64}};
  ByteBudget budget_{1u << 20};
  io::BlockPool blocks_{budget_};
  json::EnvelopeReader envelope_reader_;
  json::FieldReader field_reader_;
  crypto::RandomSource random_;
  metrics::ShardCells cells_;
  telemetry::RecordRing records_{4, cells_.access_log_dropped};
  config::Snapshot snapshot_;
  struct NoWaker final : limit::ShardWaker {
    void wake(ShardId) noexcept override {}
  };
  ShardState state_{1};
  NoWaker waker_;
  WaitingRoom waiting_room_{ShardId{0}, waker_};
  std::unique_ptr<limit::BankTable> banks_ = *limit::BankTable::make({.subjects_max = 64});
  limit::RateLimiter limiter_{*banks_, ShardId{0}, 1};
  GrantRoom grants_;
  KeyRoom keys_{nullptr, nullptr};
  NullLogger log_;
  Generation generation_{snapshot_, {}, {}, state_, ShardId{0}, world_.clock()};
  Services services_{.ring = ring_,
                     .blocks = blocks_,
                     .budget = budget_,
                     .envelope_reader = envelope_reader_,
                     .field_reader = field_reader_,
                     .random = random_,
                     .cells = cells_,
                     .records = records_,
                     .waiting_room = waiting_room_,
                     .limiter = limiter_,
                     .grants = grants_,
                     .keys = keys_,
                     .log = log_};
  std::vector<std::unique_ptr<FakeSink>> sinks_;
  uint16_t status_ = 0;
  bool is_done_ = false;
};

// The value behind `key` up to the next comma or brace; enough for our own four keys.
std::string value_of(const std::string& json, const std::string& key) {
  const size_t at = json.find("\"" + key + "\":");
  if (at == std::string::npos) return "absent";
  const size_t from = at + key.size() + 3;
  if (json[from] != '"') return json.substr(from, json.find_first_of(",}", from) - from);
  return json.substr(from, json.find('"', from + 1) + 1 - from);
}

TEST_F(ReplyTest, d094_every_error_is_an_openai_error_of_four_keys) {
  for (int i = 0; i <= static_cast<int>(kLastCode); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    is_done_ = false;
    const FakeSink& sink = answered(code);
    EXPECT_TRUE(support::StrictJson(sink.body, 10).is_valid()) << sink.body;
    EXPECT_EQ(sink.length, sink.body.size());
    EXPECT_TRUE(sink.body.starts_with("{\"error\":{\"message\":\"")) << sink.body;
    EXPECT_TRUE(value_of(sink.body, "type").starts_with('"')) << sink.body;
    EXPECT_EQ(value_of(sink.body, "param"), "null") << sink.body;
    const std::string error_code = value_of(sink.body, "code");
    EXPECT_TRUE(error_code == "null" || (error_code.starts_with('"') && error_code.size() > 2))
        << sink.body;
    EXPECT_GE(sink.status, 400);
    EXPECT_LE(sink.status, 599);
    EXPECT_EQ(status_, sink.status);
    EXPECT_NE(sink.head.find("content-type: application/json\n"), std::string::npos);
    EXPECT_NE(sink.head.find("x-request-id: id-1\n"), std::string::npos);
  }
}

TEST_F(ReplyTest, statuses_are_those_of_the_openai_api) {
  EXPECT_EQ(answer_for(ErrorCode::kMalformedRequest).status, 400);
  EXPECT_EQ(answer_for(ErrorCode::kInvalidJson).status, 400);
  EXPECT_EQ(answer_for(ErrorCode::kInvalidApiKey).status, 401);
  EXPECT_EQ(answer_for(ErrorCode::kModelNotAllowed).status, 403);
  EXPECT_EQ(answer_for(ErrorCode::kModelNotFound).status, 404);
  EXPECT_EQ(answer_for(ErrorCode::kMethodNotAllowed).status, 405);
  EXPECT_EQ(answer_for(ErrorCode::kRequestTimeout).status, 408);
  EXPECT_EQ(answer_for(ErrorCode::kRequestTooLarge).status, 413);
  EXPECT_EQ(answer_for(ErrorCode::kHeadTooLarge).status, 431);
  EXPECT_EQ(answer_for(ErrorCode::kUpstreamConnect).status, 502);
  EXPECT_EQ(answer_for(ErrorCode::kOverloaded).status, 503);
  EXPECT_EQ(answer_for(ErrorCode::kLimit).status, 503) << "out of descriptors is no bug";
  EXPECT_EQ(answer_for(ErrorCode::kUpstreamTimeout).status, 504);
}

TEST_F(ReplyTest, details_stand_in_the_answer) {
  const FakeSink& model =
      answered(ErrorCode::kModelNotFound, {.param = "model", .model = "gpt\"x"});
  EXPECT_NE(model.body.find("`gpt\\\"x`"), std::string::npos) << model.body;
  EXPECT_EQ(value_of(model.body, "param"), "\"model\"");
  const FakeSink& size = answered(ErrorCode::kRequestTooLarge, {.limit = 1234});
  EXPECT_NE(size.body.find("1234"), std::string::npos) << size.body;
  const FakeSink& method = answered(ErrorCode::kMethodNotAllowed, {.allow = "POST"});
  EXPECT_NE(method.head.find("allow: POST\n"), std::string::npos);
}

TEST_F(ReplyTest, a_preflight_is_answered_with_its_lines_or_refused) {
  const HeadLines lines{.request_id = "id-1", .shared = "shared: 1\r\n", .page = "page: 1\r\n"};
  const auto run = [](Services* with, FakeSink* to, HeadLines head_lines, std::string_view answer,
                      uint16_t* status) -> Task<void> {
    *status = co_await reply_preflight(*with, *to, head_lines, answer);
  };
  uint16_t status = 0;
  FakeSink allowed(ring_.ready());
  io::start_detached(run(&services_, &allowed, lines, "may: all\r\n", &status));
  EXPECT_EQ(status, 204);
  EXPECT_EQ(allowed.status, 204);
  EXPECT_EQ(allowed.head, "shared: 1\r\nmay: all\r\nx-request-id: id-1\n");
  EXPECT_EQ(allowed.body, "");
  FakeSink denied(ring_.ready());
  io::start_detached(
      run(&services_, &denied, {.request_id = "id-1", .shared = "shared: 1\r\n"}, "", &status));
  EXPECT_EQ(status, 403);
  EXPECT_EQ(denied.head, "shared: 1\r\nx-request-id: id-1\ncontent-type: application/json\n");
  EXPECT_EQ(value_of(denied.body, "code"), "\"origin_not_allowed\"");
  EXPECT_TRUE(support::is_strict_json(denied.body, 8));
}

TEST_F(ReplyTest, d124_a_503_says_when_to_try_again) {
  const FakeSink& sink = answered(ErrorCode::kDraining);
  EXPECT_NE(sink.head.find("retry-after: 1\n"), std::string::npos) << sink.head;
  EXPECT_NE(sink.head.find("retry-after-ms: 1000\n"), std::string::npos) << sink.head;
  EXPECT_EQ(answered(ErrorCode::kInvalidJson).head.find("retry-after"), std::string::npos);
}

TEST_F(ReplyTest, a_client_that_has_left_gets_nothing) {
  sinks_.push_back(std::make_unique<FakeSink>(ring_.ready()));
  sinks_[0]->interrupt(ErrorCode::kDownstreamLost);
  io::start_detached(answer(sinks_[0].get(), ErrorCode::kDownstreamLost, {}));
  EXPECT_TRUE(is_done_);
  EXPECT_EQ(status_, 0);
  EXPECT_EQ(sinks_[0]->body, "");
}

TEST_F(ReplyTest, a_client_that_takes_nothing_is_cut_after_its_stall_timeout) {
  sinks_.push_back(std::make_unique<FakeSink>(ring_.ready()));
  FakeSink& sink = *sinks_[0];
  sink.takes = false;
  const MonoTime begun = ring_.now();
  io::start_detached(answer(&sink, ErrorCode::kInvalidJson, {}));
  sink.acknowledged = 1;  // It took something once.
  ASSERT_TRUE(world_.run_until(ring_, [this] { return is_done_; }));
  EXPECT_TRUE(sink.was_aborted);
  EXPECT_GE(ring_.now() - begun, 2 * snapshot_.timeouts.stall);
  EXPECT_LE(ring_.now() - begun, 2 * snapshot_.timeouts.stall + milliseconds(10));
}

TEST_F(ReplyTest, d124_a_drain_does_not_cut_an_answer_on_its_way) {
  sinks_.push_back(std::make_unique<FakeSink>(ring_.ready()));
  FakeSink& sink = *sinks_[0];
  sink.takes = false;
  sink.interrupt(ErrorCode::kDraining);
  io::start_detached(answer(&sink, ErrorCode::kDraining, {}));
  ASSERT_TRUE(world_.run_for(ring_, seconds(1)));
  EXPECT_FALSE(is_done_);
  EXPECT_FALSE(sink.was_aborted);
  sink.sent().trigger();
  ASSERT_TRUE(world_.run_until(ring_, [this] { return is_done_; }));
  EXPECT_FALSE(sink.was_aborted);
}

TEST_F(ReplyTest, without_memory_there_is_still_an_answer) {
  ByteBudget nothing(0);
  io::BlockPool blocks(nothing);
  Services services{.ring = ring_,
                    .blocks = blocks,
                    .budget = nothing,
                    .envelope_reader = envelope_reader_,
                    .field_reader = field_reader_,
                    .random = random_,
                    .cells = cells_,
                    .records = records_,
                    .waiting_room = waiting_room_,
                    .limiter = limiter_,
                    .grants = grants_,
                    .keys = keys_,
                    .log = log_,
                    .generation = &generation_};
  FakeSink sink(ring_.ready());
  bool is_done = false;
  const auto run = [](Services* with, FakeSink* to, bool* done) -> Task<void> {
    co_await reply_error(*with, *to, {.request_id = "id"}, ErrorCode::kOverloaded, {});
    *done = true;
  };
  io::start_detached(run(&services, &sink, &is_done));
  EXPECT_TRUE(is_done);
  EXPECT_EQ(sink.status, 503);
  EXPECT_EQ(sink.length, sink.body.size());
}

}  // namespace
}  // namespace sluice::exchange
