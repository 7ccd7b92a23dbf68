// Reads what a client gets: whole answers, and what there is of a broken one. Own code, so that a
// fault of the program's parsers cannot hide itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::sim {

struct Answer {
  uint16_t status = 0;
  std::string head;  // With its blank line.
  std::string body;  // Payload, without chunked framing.
  bool is_complete = false;
  bool is_until_close = false;
  bool is_chunked = false;

  // Empty when absent; `name` in lower case.
  [[nodiscard]] std::string header(std::string_view name) const;
};

class AnswerReader {
 public:
  // `is_head` for each answer to come, in order: those to HEAD have no body.
  void expect(bool is_head = false) { expected_.push_back(is_head); }
  void take(std::string_view bytes);
  // The connection has ended in order: bodies that last until then are complete.
  void end();

  // All answers begun so far; the last may be incomplete.
  [[nodiscard]] const std::vector<Answer>& answers() const noexcept { return answers_; }
  [[nodiscard]] size_t complete_count() const noexcept { return complete_; }
  [[nodiscard]] uint32_t interim_count() const noexcept { return interim_; }
  // Not HTTP, or bytes that belong to no request.
  [[nodiscard]] const std::string& fault() const noexcept { return fault_; }

 private:
  enum class Stage : uint8_t {
    kHead,
    kLength,
    kChunkHead,
    kChunk,
    kChunkEnd,
    kTrailer,
    kUntilClose
  };

  // False when more bytes are needed.
  bool step();
  bool take_line(std::string& line);
  bool take_head();
  bool take_framing_line();
  void complete();
  void begin_body();

  std::vector<bool> expected_;
  std::vector<Answer> answers_;
  std::string pending_;
  std::string fault_;
  Stage stage_ = Stage::kHead;
  uint64_t left_ = 0;
  size_t complete_ = 0;
  uint32_t interim_ = 0;
};

}  // namespace sluice::sim
