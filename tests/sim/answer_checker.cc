#include "answer_checker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

namespace sluice::sim {
namespace {

constexpr std::string_view kPing = ": ping\n\n";
constexpr std::string_view kErrorEvent = "data: {\"error\":{\"message\":";

bool is_between_events(std::string_view text) {
  // A CR alone ends a line too.
  return text.empty() || text.ends_with("\n\n") || text.ends_with("\r\n\r\n") ||
         text.ends_with("\r\n\r");
}

// A body that lasts until its connection closes cannot be seen to be cut there.
bool may_end_early(const Script& script) {
  return std::ranges::any_of(script.attempts, [](const AttemptScript& attempt) {
    return attempt.framing == Framing::kUntilClose && attempt.fault == Fault::kCut;
  });
}

// Bodies are long and their middle says little.
std::string shorten(const std::string& text) {
  if (text.size() <= 400) return text;
  return text.substr(0, 200) + " ... " + text.substr(text.size() - 200);
}

// Where the event begins in which `body` leaves `expected`.
size_t last_event_within(const std::string& body, const std::string& expected) {
  const size_t length = std::min(body.size(), expected.size());
  const auto differs =
      std::mismatch(body.begin(), body.begin() + static_cast<ptrdiff_t>(length), expected.begin());
  const auto common = static_cast<size_t>(differs.first - body.begin());
  for (size_t at = common; at > 0; --at) {
    if (is_between_events(std::string_view(body).substr(0, at))) return at;
  }
  return 0;
}

// A stream's text without the comments that the gateway puts between its events.
std::string without_pings(std::string body) {
  for (size_t at = body.find(kPing); at != std::string::npos; at = body.find(kPing, at)) {
    body.erase(at, kPing.size());
  }
  for (size_t left = kPing.size() - 1; left > 0; --left) {
    const std::string_view text = body;
    if (!text.ends_with(kPing.substr(0, left))) continue;
    if (is_between_events(text.substr(0, text.size() - left))) body.resize(body.size() - left);
    break;
  }
  return body;
}

}  // namespace

bool is_bare_refusal(const Answer& answer) {
  return answer.status == 503 && answer.header("content-length") == "0";
}

void AnswerChecker::check(const Request& request, const Answer& answer) {
  SCOPED_TRACE("request " + request.tag + ", answer's head:\n" + answer.head);
  if (is_bare_refusal(answer)) {
    EXPECT_TRUE(is_hostile_);
    return;
  }
  // Answers in order, one for each: each names its request.
  if (!request.tag.empty() && answer.status != 408) {
    EXPECT_EQ(answer.header("x-request-id"), request.tag);
  }
  const bool is_ours =
      is_hostile_ && (answer.status == 408 || answer.status == 503 || answer.status == 502 ||
                      answer.status == 504 || (answer.status == 429 && has_limits_));
  if (is_ours) {
    EXPECT_TRUE(!answer.is_complete || answer.body.starts_with("{\"error\":{\"message\":"));
  } else if (request.status) {
    EXPECT_EQ(answer.status, *request.status) << shorten(answer.body);
  } else if (answer.status == 500) {
    EXPECT_TRUE(playbook_.at(request.tag).had_server_error);
    EXPECT_TRUE(server_error_body(request.tag).starts_with(answer.body));
  } else {
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.header("x-upstream-request-id"), "up-" + request.tag);
    check_body(request, answer);
  }
}

void AnswerChecker::check_body(const Request& request, Answer answer) {
  const Script& script = playbook_.at(request.tag);
  if (script.is_event_stream) answer.body = without_pings(std::move(answer.body));
  const std::string expected = script.payload(request.hears_usage);
  if (answer.is_complete && !may_end_early(script)) {
    EXPECT_TRUE(answer.body == expected) << shorten(answer.body) << "\nshould be\n"
                                         << shorten(expected);
    EXPECT_TRUE(script.was_sent_whole) << "an answer that nobody finished looks whole";
    return;
  }
  // Cut by an orderly close, also the beginning of an event that would have been dropped.
  if (answer.is_complete && script.payload(true).starts_with(answer.body)) return;
  check_broken_body(request.tag, expected, answer);
}

void AnswerChecker::check_broken_body(const std::string& tag, const std::string& expected,
                                      const Answer& answer) {
  if (expected.starts_with(answer.body)) return;
  // Else it ends in an error event, which may itself be cut where the connection was.
  const size_t at = last_event_within(answer.body, expected);
  const std::string text = answer.body.substr(0, at);
  const std::string event = answer.body.substr(at);
  EXPECT_TRUE(expected.starts_with(text)) << tag << " got\n" << shorten(answer.body);
  EXPECT_TRUE(event.starts_with(kErrorEvent) || kErrorEvent.starts_with(event))
      << tag << " got\n"
      << shorten(answer.body);
  EXPECT_TRUE(is_between_events(text)) << "an error event inside another:\n" << shorten(text);
  EXPECT_FALSE(answer.is_complete) << "a broken stream looks whole";
  EXPECT_EQ(event.find("[DONE]"), std::string::npos);
}

bool BodyWatch::look(const std::string& body, const std::string& expected, bool is_event_stream) {
  const std::string_view whole = expected;
  while (seen_ < body.size() && !is_behind_) {
    if (matched_ < expected.size() && body[seen_] == expected[matched_]) {
      ++seen_;
      ++matched_;
      if (!is_event_stream || !is_between_events(whole.substr(0, matched_))) continue;
      seen_whole_ = seen_;
      matched_whole_ = matched_;
      continue;
    }
    if (!is_event_stream) return false;
    const std::string_view rest = std::string_view(body).substr(seen_whole_);
    if (kPing.starts_with(rest) || kErrorEvent.starts_with(rest)) return true;
    if (rest.starts_with(kPing)) {
      seen_ = seen_whole_ = seen_whole_ + kPing.size();
      matched_ = matched_whole_;
    } else {
      is_behind_ = true;
      return rest.starts_with(kErrorEvent);
    }
  }
  return true;
}

}  // namespace sluice::sim
