// Reads one answer, as it arrives, to its end.
#pragma once

#include <sluice/http/chunked.h>
#include <sluice/http/client.h>
#include <sluice/http/response_parser.h>

namespace sluice::http {

// Interim heads are passed over. Holds `bytes_max` bytes at most, all framing counted.
class ClientAnswerReader {
 public:
  explicit ClientAnswerReader(size_t bytes_max) noexcept : bytes_max_(bytes_max) {}

  // Whether the answer is whole. After that, and after an error, nothing more may be given.
  [[nodiscard]] Result<bool> take(std::string_view news);
  // The server has ended the connection: whether the answer is whole by that.
  [[nodiscard]] bool take_end() noexcept;

  // Whether nothing has come so far.
  [[nodiscard]] bool is_idle() const noexcept { return total_ == 0; }
  // Of a whole answer: whether the connection can be used again.
  [[nodiscard]] bool keeps_alive() const noexcept { return keeps_alive_; }
  [[nodiscard]] ClientAnswer& answer() noexcept { return answer_; }

 private:
  [[nodiscard]] Result<bool> take_head(std::string_view news);
  [[nodiscard]] Result<bool> take_body(std::string_view news);
  void note_head(const ResponseHead& head);

  size_t bytes_max_;
  size_t total_ = 0;
  std::string head_;
  ResponseParser parser_{HeadLimits{}};
  ChunkedDecoder chunks_{Side::kUpstream};
  BodyFraming body_;
  bool has_head_ = false;
  bool keeps_alive_ = false;
  ClientAnswer answer_;
};

// What a Cache-Control field says about how long an answer holds; no-store and no-cache are zero.
[[nodiscard]] std::optional<Duration> read_max_age(std::string_view cache_control) noexcept;

}  // namespace sluice::http
