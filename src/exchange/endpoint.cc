#include <sluice/exchange/endpoint.h>

#include <array>

namespace sluice::exchange {
namespace {

constexpr std::string_view kModelPrefix = "/v1/models/";

struct Row {
  Endpoint endpoint;
  std::string_view path;
  http::Method method;
};
constexpr std::array kRows = {
    Row{Endpoint::kChatCompletions, "/v1/chat/completions", http::Method::kPost},
    Row{Endpoint::kCompletions, "/v1/completions", http::Method::kPost},
    Row{Endpoint::kEmbeddings, "/v1/embeddings", http::Method::kPost},
    Row{Endpoint::kResponses, "/v1/responses", http::Method::kPost},
    Row{Endpoint::kModels, "/v1/models", http::Method::kGet},
    Row{Endpoint::kModel, kModelPrefix, http::Method::kGet},
    Row{Endpoint::kLivez, "/livez", http::Method::kGet},
    Row{Endpoint::kReadyz, "/readyz", http::Method::kGet},
};

const Row* row_of(Endpoint endpoint) noexcept {
  for (const Row& row : kRows) {
    if (row.endpoint == endpoint) return &row;
  }
  return nullptr;
}

const Row* row_of(std::string_view path) noexcept {
  for (const Row& row : kRows) {
    const bool is_prefix = row.endpoint == Endpoint::kModel;
    if (is_prefix ? path.starts_with(row.path) && path.size() > row.path.size()
                  : path == row.path) {
      return &row;
    }
  }
  return nullptr;
}

}  // namespace

bool is_forwarded(Endpoint endpoint) noexcept {
  return endpoint >= Endpoint::kChatCompletions && endpoint <= Endpoint::kResponses;
}

bool has_stream_options(Endpoint endpoint) noexcept {
  return endpoint == Endpoint::kChatCompletions || endpoint == Endpoint::kCompletions;
}

std::string_view method_of(Endpoint endpoint) noexcept {
  const Row* row = row_of(endpoint);
  return row != nullptr ? http::to_string(row->method) : std::string_view();
}

Result<Endpoint> match_endpoint(http::Method method, std::string_view path,
                                Endpoint& found) noexcept {
  found = Endpoint::kOther;
  const Row* row = row_of(path);
  if (row == nullptr) return fail(ErrorCode::kEndpointNotFound, Side::kDownstream, "no such path");
  found = row->endpoint;
  const bool is_head_of_get = method == http::Method::kHead && row->method == http::Method::kGet;
  if (row->method != method && !is_head_of_get) {
    return fail(ErrorCode::kMethodNotAllowed, Side::kDownstream, "wrong method");
  }
  return row->endpoint;
}

}  // namespace sluice::exchange
