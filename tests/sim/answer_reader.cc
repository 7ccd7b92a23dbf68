#include "answer_reader.h"

#include <algorithm>
#include <cstdlib>

namespace sluice::sim {

std::string Answer::header(std::string_view name) const {
  const std::string needle = "\r\n" + std::string(name) + ": ";
  const size_t at = head.find(needle);
  if (at == std::string::npos) return {};
  const size_t from = at + needle.size();
  return head.substr(from, head.find("\r\n", from) - from);
}

void AnswerReader::take(std::string_view bytes) {
  pending_ += bytes;
  while (fault_.empty() && step()) {
  }
}

void AnswerReader::end() {
  if (stage_ == Stage::kUntilClose) complete();
}

bool AnswerReader::take_line(std::string& line) {
  const size_t end = pending_.find("\r\n");
  if (end == std::string::npos) return false;
  line = pending_.substr(0, end);
  pending_.erase(0, end + 2);
  return true;
}

void AnswerReader::complete() {
  answers_.back().is_complete = true;
  ++complete_;
  stage_ = Stage::kHead;
}

void AnswerReader::begin_body() {
  Answer& answer = answers_.back();
  const std::string length = answer.header("content-length");
  answer.is_chunked = answer.header("transfer-encoding") == "chunked";
  if (answer.is_chunked && !length.empty()) fault_ = "two framings:\n" + answer.head;
  // Who refuses a head before its end cannot know that it says HEAD.
  const bool is_head = expected_[answers_.size() - 1] && answer.status != 408;
  const bool has_no_body = is_head || answer.status == 204 || answer.status == 304;
  if (has_no_body) {
    complete();
  } else if (answer.is_chunked) {
    stage_ = Stage::kChunkHead;
  } else if (!length.empty()) {
    left_ = std::strtoull(length.c_str(), nullptr, 10);
    stage_ = Stage::kLength;
    if (left_ == 0) complete();
  } else {
    answer.is_until_close = true;
    stage_ = Stage::kUntilClose;
  }
}

bool AnswerReader::take_head() {
  const size_t end = pending_.find("\r\n\r\n");
  if (pending_.empty()) return false;
  if (answers_.size() == expected_.size()) {
    fault_ = "bytes that belong to no request: " + pending_;
    return false;
  }
  if (end == std::string::npos) return false;
  Answer answer;
  answer.head = pending_.substr(0, end + 4);
  pending_.erase(0, end + 4);
  const bool is_http = answer.head.starts_with("HTTP/1.1 ");
  answer.status = static_cast<uint16_t>(is_http ? std::atoi(answer.head.c_str() + 9) : 0);
  if (answer.status < 100 || answer.status > 599) {
    fault_ = "not an answer's head:\n" + answer.head;
    return false;
  }
  if (answer.status < 200) {
    ++interim_;
    return true;
  }
  answers_.push_back(std::move(answer));
  begin_body();
  return true;
}

bool AnswerReader::take_framing_line() {
  std::string line;
  if (!take_line(line)) return false;
  if (stage_ == Stage::kTrailer) {
    if (line.empty()) complete();
    return true;
  }
  if (stage_ == Stage::kChunkEnd) {
    if (!line.empty()) fault_ = "bytes behind a chunk: " + line;
    stage_ = Stage::kChunkHead;
    return true;
  }
  char* end = nullptr;
  left_ = std::strtoull(line.c_str(), &end, 16);
  if (end == line.c_str() || (*end != 0 && *end != ';')) fault_ = "not a chunk's head: " + line;
  stage_ = left_ == 0 ? Stage::kTrailer : Stage::kChunk;
  return true;
}

bool AnswerReader::step() {
  switch (stage_) {
    case Stage::kHead: return take_head();
    case Stage::kChunkHead:
    case Stage::kChunkEnd:
    case Stage::kTrailer: return take_framing_line();
    case Stage::kUntilClose:
      answers_.back().body += pending_;
      pending_.clear();
      return false;
    case Stage::kLength:
    case Stage::kChunk: break;
  }
  const auto count = static_cast<size_t>(std::min<uint64_t>(left_, pending_.size()));
  if (count == 0) return false;
  answers_.back().body.append(pending_, 0, count);
  pending_.erase(0, count);
  left_ -= count;
  if (left_ == 0 && stage_ == Stage::kLength) {
    complete();
  } else if (left_ == 0) {
    stage_ = Stage::kChunkEnd;
  }
  return true;
}

}  // namespace sluice::sim
