// What must not stand in a log is struck out of its lines.
#pragma once

#include <memory>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::telemetry {

inline constexpr std::string_view kRedacted = "[redacted]";

// Replaces what its patterns match. Built in are the shapes of credentials: `sk-` keys, Bearer and
// Basic credentials, `api-key: ...`, private keys in PEM, passwords in URLs. A pattern with groups
// strikes out what the groups matched, one without the whole match.
//
// Any thread may call it; none of them a shard's, since it locks and allocates. Time is linear in
// the text for each pattern.
class Redactor {
 public:
  static constexpr size_t kPatternsMax = 64;

  Redactor();
  Redactor(const Redactor&) = delete;
  Redactor& operator=(const Redactor&) = delete;
  ~Redactor();

  // Takes the place of the patterns of the last call; the built-in ones stay. A pattern that RE2
  // refuses is left out: the configuration has refused it before.
  void set_patterns(std::span<const std::string> patterns);

  // Plain text, such as a message that no format has been given yet.
  void redact(std::string& text) const;
  // JSON, whole lines. Only what stands within strings that are values is struck out, whole escapes
  // at a time, so that a line stays JSON with its members whatever a pattern matches.
  void redact_json(std::string& lines) const;

 private:
  struct Pattern;
  using Patterns = std::vector<std::unique_ptr<const Pattern>>;

  const std::unique_ptr<const Pattern> built_in_;
  mutable std::shared_mutex mutex_;  // Shared by those that redact.
  std::vector<std::string> texts_;   // Of patterns_. Both under the mutex.
  Patterns patterns_;
};

}  // namespace sluice::telemetry
