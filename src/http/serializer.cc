#include <sluice/http/serializer.h>

#include <charconv>
#include <cstring>

#include <sluice/http/headers.h>

#include "byte_scan.h"

namespace sluice::http {
namespace {

bool is_value(std::string_view text) noexcept {
  const char* end = text.data() + text.size();
  return scan_value(text.data(), end) == end;
}

bool is_target(std::string_view text) noexcept {
  const char* end = text.data() + text.size();
  return !text.empty() && scan_target(text.data(), end) == end;
}

}  // namespace

std::string_view reason_phrase(uint16_t status) noexcept {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 424: return "Failed Dependency";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    case 529: return "Site Is Overloaded";
    default: return "Unknown";
  }
}

HeadWriter& HeadWriter::append(std::string_view text) noexcept {
  if (state_ != State::kOk) return *this;
  if (text.size() > out_.size() - bytes_) {
    state_ = State::kOverflow;
    return *this;
  }
  if (!text.empty()) std::memcpy(out_.data() + bytes_, text.data(), text.size());
  bytes_ += text.size();
  return *this;
}

HeadWriter& HeadWriter::append_field(std::string_view name, std::string_view value) noexcept {
  if (state_ != State::kOk) return *this;
  if (name.size() + value.size() + 4 > out_.size() - bytes_) {
    state_ = State::kOverflow;
    return *this;
  }
  char* to = out_.data() + bytes_;
  std::memcpy(to, name.data(), name.size());
  std::memcpy(to += name.size(), ": ", 2);
  if (!value.empty()) std::memcpy(to + 2, value.data(), value.size());
  std::memcpy(to + 2 + value.size(), "\r\n", 2);
  bytes_ += name.size() + value.size() + 4;
  return *this;
}

HeadWriter& HeadWriter::refuse() noexcept {
  if (state_ == State::kOk) state_ = State::kInvalid;
  return *this;
}

HeadWriter& HeadWriter::status_line(uint16_t status) noexcept {
  if (status == 200) return append("HTTP/1.1 200 OK\r\n");
  if (status < 100 || status > 999) return refuse();
  const char digits[3] = {static_cast<char>('0' + status / 100),
                          static_cast<char>('0' + status / 10 % 10),
                          static_cast<char>('0' + status % 10)};
  append("HTTP/1.1 ").append({digits, sizeof digits}).append(" ");
  return append(reason_phrase(status)).append("\r\n");
}

HeadWriter& HeadWriter::request_line(std::string_view method, std::string_view target) noexcept {
  constexpr std::string_view kBehind = " HTTP/1.1\r\n";
  if (state_ != State::kOk) return *this;
  if (!is_token(method) || !is_target(target)) return refuse();
  const size_t bytes = method.size() + 1 + target.size() + kBehind.size();
  if (bytes > out_.size() - bytes_) {
    state_ = State::kOverflow;
    return *this;
  }
  char* to = out_.data() + bytes_;
  std::memcpy(to, method.data(), method.size());
  to[method.size()] = ' ';
  std::memcpy(to + method.size() + 1, target.data(), target.size());
  std::memcpy(to + method.size() + 1 + target.size(), kBehind.data(), kBehind.size());
  bytes_ += bytes;
  return *this;
}

HeadWriter& HeadWriter::header(FieldName name, std::string_view value) noexcept {
  return is_value(value) ? append_field(name.text(), value) : refuse();
}

HeadWriter& HeadWriter::header(FieldName name, uint64_t value) noexcept {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  return append_field(name.text(), {digits, static_cast<size_t>(end - digits)});
}

HeadWriter& HeadWriter::any_header(std::string_view name, std::string_view value) noexcept {
  return is_token(name) && is_value(value) ? append_field(name, value) : refuse();
}

}  // namespace sluice::http
