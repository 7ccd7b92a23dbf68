// Reads the head of an upstream's HTTP/1.1 response in place, as strictly as that of a request.
#pragma once

#include <sluice/base/error.h>
#include <sluice/http/head.h>

namespace sluice::http {

// A response head. Its views point into the parsed bytes, and live as long as these.
struct ResponseHead {
  Version version = Version::kHttp11;
  uint16_t status = 0;      // 100 to 599.
  bool keep_alive = false;  // Whether the connection lives on when the body is over.
  BodyFraming body;
  HeaderList headers;
  size_t head_bytes = 0;  // The body, or after an interim head the next one, starts here.

  // An interim head (1xx) is not the answer: reset() and parse what follows.
  [[nodiscard]] bool is_interim() const noexcept { return status < 200; }
  // As RequestHead::rebase().
  void rebase(const char*, const char* to) noexcept { headers.rebase(to); }
};

// What the request says about its response: a HEAD is answered without a body.
enum class AnswerTo : uint8_t { kHead, kOther };

// One response head at a time; see RequestParser for how the bytes accumulate.
class ResponseParser {
 public:
  explicit ResponseParser(HeadLimits limits, AnswerTo request = AnswerTo::kOther) noexcept;

  // As RequestParser::parse().
  [[nodiscard]] ParseState parse(std::string_view bytes) noexcept;

  // Whether no byte has been seen.
  [[nodiscard]] bool is_idle() const noexcept { return at_ == 0; }

  // Valid after kDone.
  [[nodiscard]] const ResponseHead& head() const noexcept { return head_; }
  [[nodiscard]] ResponseHead& head() noexcept { return head_; }

  // Valid after kError: always kUpstreamProtocol. The connection must be closed.
  [[nodiscard]] Error error() const noexcept;

  // Ready for the next head on the connection.
  void reset(AnswerTo request) noexcept;

 private:
  enum class Stage : uint8_t { kStatusLine, kReason, kLineEnd, kFields, kOver };

  ParseState fail(const HeadFault& fault) noexcept;
  ParseState step(std::string_view bytes) noexcept;
  bool read_usual_status_line(std::string_view bytes) noexcept;
  ParseState read_status_line(std::string_view bytes) noexcept;
  const HeadFault* finish(std::string_view bytes) noexcept;
  const HeadFault* decide_body() noexcept;

  HeadLimits limits_;
  FieldLines fields_;
  ResponseHead head_;
  const HeadFault* fault_ = nullptr;
  uint32_t at_ = 0;  // Offset into the head.
  AnswerTo request_;
  Stage stage_ = Stage::kStatusLine;
};

}  // namespace sluice::http
