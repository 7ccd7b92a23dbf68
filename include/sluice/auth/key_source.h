// A place outside the process that is asked about keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/auth/key_record.h>
#include <sluice/base/deadline.h>
#include <sluice/io/task.h>

namespace sluice::auth {

struct KeyQuestion {
  std::string secret;  // What the client sent; to be forgotten with the question.
  crypto::Digest digest{};
};

struct KeyAnswer {
  enum class Kind : uint8_t {
    kFound,     // `record` is the key, which may still be blocked or expired.
    kNotFound,  // The source works, and does not know it.
    kFailed,    // It could not be asked, or what it said makes no sense: on_error decides.
  };
  Kind kind = Kind::kFailed;
  // Of kFound. Its id is "<source's name>:<its own id, else 24 digits of the digest>"; owners'
  // ids may be those of the store or of configured tenants, whose limits then bind it.
  KeyRecord record;
  Duration ttl{};      // At most; zero leaves it to the settings.
  std::string reason;  // Of kFailed, for the log: cause and place, without the secret.
};

// One configured source. Control thread: its ring and its lanes.
class KeySource {
 public:
  virtual ~KeySource() = default;
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  // Connects, fetches what it needs; returns at once.
  virtual void start() = 0;
  // Any number of calls at a time. Suspends, until `deadline` at the most.
  virtual Task<KeyAnswer> ask(const KeyQuestion& question, Deadline deadline) = 0;
  // Nothing may be asked afterwards. Suspends.
  virtual Task<void> end() = 0;
};

}  // namespace sluice::auth
