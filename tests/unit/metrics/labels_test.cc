#include <sluice/metrics/labels.h>

#include <gtest/gtest.h>

#include <string>

namespace sluice::metrics {
namespace {

TEST(CodeIndex, usual_statuses_have_a_label_of_their_own) {
  for (const uint16_t status : kCodes) {
    EXPECT_EQ(kCodeNames[code_index(status)], std::to_string(status));
  }
}

TEST(CodeIndex, every_number_has_a_label_from_the_fixed_set) {
  for (uint32_t status = 0; status <= UINT16_MAX; ++status) {
    ASSERT_LT(code_index(static_cast<uint16_t>(status)), kCodeNames.size());
  }
  EXPECT_EQ(kCodeNames[code_index(101)], "1xx");
  EXPECT_EQ(kCodeNames[code_index(201)], "2xx");
  EXPECT_EQ(kCodeNames[code_index(302)], "3xx");
  EXPECT_EQ(kCodeNames[code_index(418)], "4xx");
  EXPECT_EQ(kCodeNames[code_index(599)], "5xx");
  EXPECT_EQ(kCodeNames[code_index(0)], "none");
  EXPECT_EQ(kCodeNames[code_index(600)], "none");
}

// Goal: an endpoint label is a template, so ids in paths cannot make series.
TEST(Endpoint, d142_labels_are_path_templates) {
  EXPECT_EQ(to_string(Endpoint::kModel), "/v1/models/{id}");
  EXPECT_EQ(to_string(Endpoint::kChatCompletions), "/v1/chat/completions");
  EXPECT_EQ(static_cast<size_t>(Endpoint::kOther) + 1, kEndpointNames.size());
  EXPECT_EQ(static_cast<size_t>(AttemptOutcome::kCancelled) + 1, kAttemptOutcomeNames.size());
  EXPECT_EQ(static_cast<size_t>(Phase::kRelay) + 1, kPhaseNames.size());
  EXPECT_EQ(static_cast<size_t>(UsageSource::kReported) + 1, kUsageSourceNames.size());
}

}  // namespace
}  // namespace sluice::metrics
