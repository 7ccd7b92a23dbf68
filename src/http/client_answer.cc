#include "client_answer.h"

#include <algorithm>
#include <charconv>

namespace sluice::http {
namespace {

constexpr int64_t kMaxAgeMost = 365 * 86'400;  // Seconds.

Unexpected broken(std::string_view detail) noexcept {
  return fail(ErrorCode::kUpstreamProtocol, Side::kUpstream, detail);
}

}  // namespace

std::optional<Duration> read_max_age(std::string_view cache_control) noexcept {
  constexpr std::string_view kMaxAge = "max-age=";
  std::optional<Duration> age;
  ListItems items(cache_control);
  for (std::string_view item = items.next(); !item.empty(); item = items.next()) {
    if (equals_ignoring_case(item, "no-store") || equals_ignoring_case(item, "no-cache")) {
      return Duration::zero();
    }
    const bool is_age = item.size() > kMaxAge.size() &&
                        equals_ignoring_case(item.substr(0, kMaxAge.size()), kMaxAge);
    if (!is_age) continue;
    const std::string_view digits = item.substr(kMaxAge.size());
    uint64_t value = 0;
    const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (end != digits.data() + digits.size() || end == digits.data()) continue;
    if (fault == std::errc::result_out_of_range) value = kMaxAgeMost;
    age = seconds(std::min<int64_t>(static_cast<int64_t>(std::min<uint64_t>(value, kMaxAgeMost)),
                                    age ? *age / seconds(1) : kMaxAgeMost));
  }
  return age;
}

Result<bool> ClientAnswerReader::take(std::string_view news) {
  total_ += news.size();
  if (total_ > bytes_max_) return broken("the answer is too long");
  return has_head_ ? take_body(news) : take_head(news);
}

Result<bool> ClientAnswerReader::take_head(std::string_view news) {
  head_ += news;
  for (;;) {
    switch (parser_.parse(head_)) {
      case ParseState::kNeedMore: return false;
      case ParseState::kError: return std::unexpected(parser_.error());
      case ParseState::kDone: break;
    }
    const ResponseHead& head = parser_.head();
    if (head.is_interim()) {
      constexpr uint16_t kSwitchingProtocols = 101;
      if (head.status == kSwitchingProtocols) return broken("it changes the protocol unasked");
      head_.erase(0, head.head_bytes);
      parser_.reset(AnswerTo::kOther);
      continue;
    }
    has_head_ = true;
    note_head(head);
    if (body_.kind == BodyKind::kLength && body_.length > bytes_max_) {
      return broken("the answer is too long");
    }
    const std::string rest = head_.substr(head.head_bytes);
    head_ = {};
    return take_body(rest);
  }
}

void ClientAnswerReader::note_head(const ResponseHead& head) {
  answer_.status = head.status;
  answer_.content_type = std::string(head.headers.find(HeaderName::kContentType));
  for (const HeaderField field : head.headers) {
    if (field.id != HeaderName::kCacheControl) continue;
    const std::optional<Duration> age = read_max_age(field.value);
    if (age) answer_.max_age = std::min(*age, answer_.max_age.value_or(*age));
  }
  body_ = head.body;
  keeps_alive_ = head.keep_alive;
}

Result<bool> ClientAnswerReader::take_body(std::string_view news) {
  size_t at = 0;
  switch (body_.kind) {
    case BodyKind::kNone: break;
    case BodyKind::kLength:
      at = std::min<uint64_t>(news.size(), body_.length - answer_.body.size());
      answer_.body += news.substr(0, at);
      if (answer_.body.size() < body_.length) return false;
      break;
    case BodyKind::kChunked:
      while (at < news.size() && !chunks_.finished()) {
        const Result<std::string_view> payload = chunks_.next(news, at);
        if (!payload) return std::unexpected(payload.error());
        answer_.body += *payload;
      }
      if (!chunks_.finished()) return false;
      break;
    case BodyKind::kUntilClose:
      answer_.body += news;
      keeps_alive_ = false;
      return false;
  }
  if (at < news.size()) keeps_alive_ = false;  // It says more than it was asked.
  return true;
}

bool ClientAnswerReader::take_end() noexcept {
  return has_head_ && body_.kind == BodyKind::kUntilClose;
}

}  // namespace sluice::http
