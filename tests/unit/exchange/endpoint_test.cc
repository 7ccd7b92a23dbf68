#include <sluice/exchange/endpoint.h>

#include <gtest/gtest.h>

namespace sluice::exchange {
namespace {

using http::Method;

ErrorCode error_of(Method method, std::string_view path) {
  Endpoint found;
  const Result<Endpoint> endpoint = match_endpoint(method, path, found);
  EXPECT_FALSE(endpoint.has_value()) << path;
  return endpoint ? ErrorCode::kInternal : endpoint.error().code;
}

void expect_match(Method method, std::string_view path, Endpoint wanted) {
  Endpoint found;
  const Result<Endpoint> endpoint = match_endpoint(method, path, found);
  ASSERT_TRUE(endpoint.has_value()) << path;
  EXPECT_EQ(*endpoint, wanted) << path;
  EXPECT_EQ(found, wanted) << path;
}

TEST(Endpoint, every_endpoint_is_found_by_its_path_and_method) {
  expect_match(Method::kPost, "/v1/chat/completions", Endpoint::kChatCompletions);
  expect_match(Method::kPost, "/v1/completions", Endpoint::kCompletions);
  expect_match(Method::kPost, "/v1/embeddings", Endpoint::kEmbeddings);
  expect_match(Method::kPost, "/v1/responses", Endpoint::kResponses);
  expect_match(Method::kGet, "/v1/models", Endpoint::kModels);
  expect_match(Method::kGet, "/v1/models/a", Endpoint::kModel);
  expect_match(Method::kGet, "/v1/models/a/b", Endpoint::kModel);
  expect_match(Method::kGet, "/livez", Endpoint::kLivez);
  expect_match(Method::kGet, "/readyz", Endpoint::kReadyz);
}

TEST(Endpoint, head_is_allowed_where_get_is) {
  expect_match(Method::kHead, "/v1/models", Endpoint::kModels);
  expect_match(Method::kHead, "/livez", Endpoint::kLivez);
  EXPECT_EQ(error_of(Method::kHead, "/v1/completions"), ErrorCode::kMethodNotAllowed);
}

TEST(Endpoint, d016_no_other_spelling_of_a_path_matches) {
  for (const std::string_view path :
       {"", "/", "/v1/chat/completions/", "//v1/chat/completions", "/v1/./chat/completions",
        "/V1/chat/completions", "/v1/chat%2fcompletions", "/v1/chat/completions%00", "/v1/models/",
        "/v1/chat/completion", "/livez/", "/v2/models", "v1/models", "/v1/x/../models"}) {
    EXPECT_EQ(error_of(Method::kPost, path), ErrorCode::kEndpointNotFound) << path;
    EXPECT_EQ(error_of(Method::kGet, path), ErrorCode::kEndpointNotFound) << path;
  }
}

TEST(Endpoint, d093_a_wrong_method_names_the_right_one) {
  Endpoint found;
  const Result<Endpoint> endpoint = match_endpoint(Method::kGet, "/v1/embeddings", found);
  ASSERT_FALSE(endpoint.has_value());
  EXPECT_EQ(endpoint.error().code, ErrorCode::kMethodNotAllowed);
  EXPECT_EQ(found, Endpoint::kEmbeddings);
  EXPECT_EQ(method_of(found), "POST");
  EXPECT_EQ(method_of(Endpoint::kModels), "GET");
}

TEST(Endpoint, only_the_four_posts_are_forwarded_and_two_have_stream_options) {
  for (size_t i = 0; i < metrics::kEndpointNames.size(); ++i) {
    const auto endpoint = static_cast<Endpoint>(i);
    EXPECT_EQ(is_forwarded(endpoint), method_of(endpoint) == "POST") << i;
    EXPECT_EQ(has_stream_options(endpoint),
              endpoint == Endpoint::kChatCompletions || endpoint == Endpoint::kCompletions)
        << i;
  }
}

}  // namespace
}  // namespace sluice::exchange
