// Reads the head of an HTTP/1.1 request in place and refuses what is ambiguous (RFC 9112).
#pragma once

#include <sluice/base/error.h>
#include <sluice/http/head.h>

namespace sluice::http {

enum class Method : uint8_t { kGet, kHead, kPost, kPut, kDelete, kOptions, kPatch, kOther };

// The text of a method, as sent; "" for kOther.
[[nodiscard]] std::string_view to_string(Method method) noexcept;

// A request head. All views point into the parsed bytes, and live as long as these.
struct RequestHead {
  Method method = Method::kOther;
  Version version = Version::kHttp11;
  bool keep_alive = false;       // What the client allows; the answer may still close.
  bool expect_continue = false;  // Set only when a body is announced, in HTTP/1.1.
  BodyFraming body;              // kNone, kLength or kChunked.
  std::string_view method_text;
  std::string_view target;     // As sent.
  std::string_view path;       // Raw, never normalised; "*" for OPTIONS *.
  std::string_view query;      // Without the '?'; empty when there is none.
  std::string_view authority;  // Of the target, else of Host; empty only in HTTP/1.0.
  HeaderList headers;
  size_t head_bytes = 0;  // The body starts here.

  // Says that the bytes that stood at `from` have been copied to `to`, and turns all views to it.
  void rebase(const char* from, const char* to) noexcept;
};

// One request head at a time, from bytes that accumulate. No byte is looked at twice, so a client
// that dribbles its head costs no more than one that does not.
class RequestParser {
 public:
  explicit RequestParser(HeadLimits limits) noexcept;

  // Reads on. `bytes` is everything from the start of the head so far; it may stand elsewhere than
  // in the last call, but what was there before must be the same. Not to be called again after
  // kDone or kError without reset().
  [[nodiscard]] ParseState parse(std::string_view bytes) noexcept;

  // Whether nothing of a request has been seen, so that closing now loses nothing.
  [[nodiscard]] bool is_idle() const noexcept {
    return stage_ <= Stage::kSkipLf || (stage_ == Stage::kMethod && at_ == method_at_);
  }

  // Valid after kDone.
  [[nodiscard]] const RequestHead& head() const noexcept { return head_; }
  [[nodiscard]] RequestHead& head() noexcept { return head_; }

  // Valid after kError. The connection must be closed after the answer.
  [[nodiscard]] Error error() const noexcept;
  [[nodiscard]] uint16_t error_status() const noexcept { return fault_->status; }

  // Ready for the next head.
  void reset() noexcept;

 private:
  enum class Stage : uint8_t {
    kStart,
    kSkipLf,
    kMethod,
    kTarget,
    kVersion,
    kLineEnd,
    kFields,
    kOver,
  };

  ParseState fail(const HeadFault& fault) noexcept;
  ParseState step(std::string_view bytes) noexcept;
  ParseState read_start(std::string_view bytes) noexcept;
  ParseState read_method(std::string_view bytes) noexcept;
  ParseState read_target(std::string_view bytes) noexcept;
  ParseState read_version(std::string_view bytes) noexcept;
  const HeadFault* finish(std::string_view bytes) noexcept;

  HeadLimits limits_;
  FieldLines fields_;
  RequestHead head_;
  const HeadFault* fault_ = nullptr;
  // Offsets into the head.
  uint32_t at_ = 0;
  uint32_t method_at_ = 0;
  uint32_t target_at_ = 0;
  uint32_t target_end_ = 0;
  uint32_t version_at_ = 0;
  Stage stage_ = Stage::kStart;
};

}  // namespace sluice::http
