// What must hold of an answer, given what its client asked and what upstreams were to say.
#pragma once

#include <string>

#include "client.h"
#include "provider.h"

namespace sluice::sim {

// The answer of last resort, which needs no memory and so carries no id.
[[nodiscard]] bool is_bare_refusal(const Answer& answer);

class AnswerChecker {
 public:
  // In a hostile world the gateway may refuse and fail; with limits it may say 429.
  AnswerChecker(const Playbook& playbook, bool is_hostile, bool has_limits = false) noexcept
      : playbook_(playbook), is_hostile_(is_hostile), has_limits_(has_limits) {}

  // Of one that has ended, whole or not.
  void check(const Request& request, const Answer& answer);

 private:
  void check_body(const Request& request, Answer answer);
  void check_broken_body(const std::string& tag, const std::string& expected, const Answer& answer);

  const Playbook& playbook_;
  bool is_hostile_;
  bool has_limits_;
};

// Looks at a body as it comes, so that the first byte that does not belong there is found when it
// arrives. Each byte is looked at once.
class BodyWatch {
 public:
  // `body` is what there is of the payload so far; false once it has left `expected`.
  [[nodiscard]] bool look(const std::string& body, const std::string& expected,
                          bool is_event_stream);

 private:
  size_t seen_ = 0;     // Of the body.
  size_t matched_ = 0;  // Of what is expected.
  // Where both stood between two events: an error event begins as another one does.
  size_t seen_whole_ = 0;
  size_t matched_whole_ = 0;
  bool is_behind_ = false;  // An error event has begun; nothing of the answer follows it.
};

}  // namespace sluice::sim
