#include "head_lines.h"

namespace sluice::exchange {
namespace {

constexpr std::string_view kOrigin = "origin";
constexpr std::string_view kCrossOrigin = "access-control-";
constexpr std::string_view kNoSniffing = "x-content-type-options";
constexpr std::string_view kOnlyTls = "strict-transport-security";
constexpr size_t kShortest = kNoSniffing.size();

}  // namespace

HeadLines head_lines_for(const Generation& generation, const http::RequestHead& head,
                         bool is_readable, std::string_view request_id) noexcept {
  HeadLines lines{.request_id = request_id, .shared = generation.shared_lines};
  if (!generation.origins.are_enabled() || !is_readable) return lines;
  lines.page = generation.origins.answer_lines(head.headers.find(kOrigin));
  return lines;
}

void begin_head(http::ResponseSink& client, uint16_t status, size_t bytes_hint,
                const HeadLines& lines) noexcept {
  client.begin_head(status, bytes_hint + lines.shared.size() + lines.page.size());
  client.add_lines(lines.shared);
  if (!lines.page.empty()) client.add_lines(lines.page);
  client.add_header("x-request-id", lines.request_id);
}

bool is_preflight(const Generation& generation, const http::RequestHead& head) noexcept {
  return head.method == http::Method::kOptions && generation.origins.are_enabled() &&
         head.headers.find(kOrigin).data() != nullptr &&
         head.headers.find("access-control-request-method").data() != nullptr;
}

bool is_for_browsers(const http::HeaderField& field) noexcept {
  const std::string_view name = field.name;
  // Most are shorter, or known by their id.
  if (name.size() < kShortest || field.id != http::HeaderName::kOther) return false;
  return http::equals_ignoring_case(name.substr(0, kCrossOrigin.size()), kCrossOrigin) ||
         http::equals_ignoring_case(name, kNoSniffing) ||
         http::equals_ignoring_case(name, kOnlyTls);
}

}  // namespace sluice::exchange
