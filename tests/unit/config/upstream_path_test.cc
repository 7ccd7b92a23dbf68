#include <sluice/config/upstream_path.h>

#include <array>

#include <gtest/gtest.h>

#include "url.h"

namespace sluice::config {
namespace {

std::string mapped(std::string_view url, std::string_view client_path,
                   std::string_view client_query = "") {
  const Endpoint endpoint = parse_url(url).value();
  std::array<char, 256> out;
  const std::string path(upstream_path(endpoint, client_path, client_query, out));
  EXPECT_LE(path.size(), upstream_path_bytes_max(endpoint, client_path, client_query));
  return path;
}

TEST(UpstreamPath, d063_a_url_without_path_takes_the_clients) {
  EXPECT_EQ(mapped("http://h", "/v1/chat/completions"), "/v1/chat/completions");
  EXPECT_EQ(mapped("http://h/", "/v1/embeddings"), "/v1/embeddings");
}

TEST(UpstreamPath, d063_no_version_is_doubled) {
  EXPECT_EQ(mapped("http://h/v1", "/v1/chat/completions"), "/v1/chat/completions");
  EXPECT_EQ(mapped("http://h/v1/", "/v1/responses"), "/v1/responses");
  EXPECT_EQ(mapped("http://h/openai/v1", "/v1/embeddings"), "/openai/v1/embeddings");
  EXPECT_EQ(mapped("http://h/paas/v4", "/v1/chat/completions"), "/paas/v4/chat/completions");
}

TEST(UpstreamPath, d063_another_base_path_goes_before_the_clients) {
  EXPECT_EQ(mapped("http://h/foo", "/v1/completions"), "/foo/v1/completions");
  EXPECT_EQ(mapped("http://h/v1/foo", "/v1/completions"), "/v1/foo/v1/completions");
}

TEST(UpstreamPath, d063_a_full_endpoint_is_used_as_it_is) {
  EXPECT_EQ(mapped("http://h/v1/chat/completions", "/v1/chat/completions"), "/v1/chat/completions");
  EXPECT_EQ(mapped("http://h/x/embeddings/", "/v1/embeddings"), "/x/embeddings");
}

TEST(UpstreamPath, d063_queries_are_merged_ours_first) {
  EXPECT_EQ(mapped("http://h/v1", "/v1/responses", "a=1"), "/v1/responses?a=1");
  EXPECT_EQ(mapped("http://h/v1?k=2", "/v1/responses"), "/v1/responses?k=2");
  EXPECT_EQ(mapped("http://h?k=2", "/v1/responses", "a=1"), "/v1/responses?k=2&a=1");
  EXPECT_EQ(mapped("http://h/x/responses?k=2", "/v1/responses", "a=1"), "/x/responses?k=2&a=1");
}

TEST(UpstreamPath, only_a_whole_segment_counts_as_the_clients_version) {
  EXPECT_EQ(mapped("http://h/v1", "/v10/x"), "/v1/v10/x");
  EXPECT_EQ(mapped("http://h/v1", "/v1"), "/v1");
}

TEST(UpstreamPath, a_buffer_that_is_too_small_gives_nothing) {
  const Endpoint endpoint = parse_url("http://h/v1?k=2").value();
  const std::string_view whole = "/v1/responses?k=2&a=1";
  std::array<char, 64> out;
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(upstream_path(endpoint, "/v1/responses", "a=1", std::span(out).first(size)), "");
  }
  EXPECT_EQ(upstream_path(endpoint, "/v1/responses", "a=1", std::span(out).first(whole.size())),
            whole);
}

TEST(UpstreamPath, a_full_endpoint_serves_no_other) {
  const Endpoint chat = parse_url("http://h/v1/chat/completions").value();
  EXPECT_TRUE(serves(chat, "/v1/chat/completions"));
  EXPECT_FALSE(serves(chat, "/v1/completions"));
  EXPECT_FALSE(serves(chat, "/v1/embeddings"));
  const Endpoint text = parse_url("http://h/v1/completions").value();
  EXPECT_TRUE(serves(text, "/v1/completions"));
  EXPECT_FALSE(serves(text, "/v1/chat/completions"));
  EXPECT_TRUE(serves(parse_url("http://h/v1").value(), "/v1/embeddings"));
}

}  // namespace
}  // namespace sluice::config
