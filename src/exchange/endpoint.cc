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
    Row{Endpoint::kModelList, "/v1/models", http::Method::kGet},
    Row{Endpoint::kModel, "/v1/models/{id}", http::Method::kGet},
    Row{Endpoint::kLive, "/livez", http::Method::kGet},
    Row{Endpoint::kReady, "/readyz", http::Method::kGet},
};

const Row* row_of(Endpoint endpoint) noexcept {
  for (const Row& row : kRows) {
    if (row.endpoint == endpoint) return &row;
  }
  return nullptr;
}

const Row* row_of(std::string_view path) noexcept {
  for (const Row& row : kRows) {
    if (row.path == path && row.endpoint != Endpoint::kModel) return &row;
  }
  const bool is_model = path.starts_with(kModelPrefix) && path.size() > kModelPrefix.size();
  return is_model ? row_of(Endpoint::kModel) : nullptr;
}

}  // namespace

std::string_view to_string(Endpoint endpoint) noexcept {
  const Row* row = row_of(endpoint);
  return row != nullptr ? row->path : "other";
}

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
  found = Endpoint::kUnknown;
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
