// The distribution's http-parser over the framed cases of parser_probe.cc, with the same answers.
#include <http_parser.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "probe_case.h"

namespace {

std::string hex(const std::string& text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    out += kDigits[c >> 4 & 15];
    out += kDigits[c & 15];
  }
  return out;
}

struct Message {
  std::string target;
  std::string body;
  std::vector<std::pair<std::string, std::string>> fields;
  bool was_value = false;
  bool is_head_over = false;
  bool keep = false;
};

// What the callbacks write to.
struct Reading {
  Message message;
  std::string messages;
  bool answers_head = false;
  bool is_final = false;
};

Reading& reading_of(http_parser* parser) { return *static_cast<Reading*>(parser->data); }

int on_begin(http_parser* parser) {
  reading_of(parser).message = {};
  return 0;
}

int on_target(http_parser* parser, const char* at, size_t size) {
  reading_of(parser).message.target.append(at, size);
  return 0;
}

int on_name(http_parser* parser, const char* at, size_t size) {
  Message& message = reading_of(parser).message;
  if (message.is_head_over) return 0;  // A trailer.
  if (message.fields.empty() || message.was_value) message.fields.emplace_back();
  message.was_value = false;
  message.fields.back().first.append(at, size);
  return 0;
}

int on_value(http_parser* parser, const char* at, size_t size) {
  Message& message = reading_of(parser).message;
  if (message.is_head_over) return 0;  // A trailer.
  message.was_value = true;
  if (!message.fields.empty()) message.fields.back().second.append(at, size);
  return 0;
}

int on_head(http_parser* parser) {
  Reading& reading = reading_of(parser);
  reading.message.is_head_over = true;
  reading.message.keep = http_should_keep_alive(parser) != 0;
  const bool is_answer = parser->type == HTTP_RESPONSE;
  return is_answer && (reading.answers_head || parser->status_code < 200) ? 1 : 0;
}

int on_body(http_parser* parser, const char* at, size_t size) {
  reading_of(parser).message.body.append(at, size);
  return 0;
}

int on_complete(http_parser* parser) {
  Reading& reading = reading_of(parser);
  const Message& message = reading.message;
  std::string& out = reading.messages;
  out += out.empty() ? "{" : ",{";
  if (parser->type == HTTP_REQUEST) {
    const char* method = http_method_str(static_cast<http_method>(parser->method));
    out += "\"method\":\"" + hex(method) + "\",\"target\":\"" + hex(message.target) + "\"";
  } else {
    out += "\"code\":" + std::to_string(parser->status_code);
    reading.is_final = parser->status_code >= 200;
  }
  out += ",\"minor\":" + std::to_string(parser->http_minor);
  out += std::string(",\"keep\":") + (message.keep ? "true" : "false") + ",\"fields\":[";
  for (size_t i = 0; i < message.fields.size(); ++i) {
    const auto& [name, value] = message.fields[i];
    out += (i == 0 ? "[\"" : ",[\"") + hex(name) + "\",\"" + hex(value) + "\"]";
  }
  out += "],\"body\":\"" + hex(message.body) + "\"}";
  return 0;
}

void read_stream(http_parser_type type, bool answers_head, const std::string& bytes) {
  http_parser_settings settings;
  http_parser_settings_init(&settings);
  settings.on_message_begin = on_begin;
  settings.on_url = on_target;
  settings.on_header_field = on_name;
  settings.on_header_value = on_value;
  settings.on_headers_complete = on_head;
  settings.on_body = on_body;
  settings.on_message_complete = on_complete;
  http_parser parser;
  http_parser_init(&parser, type);
  Reading reading;
  reading.answers_head = answers_head;
  parser.data = &reading;
  const size_t taken = http_parser_execute(&parser, &settings, bytes.data(), bytes.size());
  bool is_refused = HTTP_PARSER_ERRNO(&parser) != HPE_OK;
  const char* tail = is_refused ? "refused" : "clean";
  if (!is_refused && parser.upgrade && taken < bytes.size()) {
    tail = "upgrade";
  } else if (!is_refused) {
    http_parser_execute(&parser, &settings, nullptr, 0);
    if (HTTP_PARSER_ERRNO(&parser) != HPE_OK) tail = "waits";
  }
  std::printf("{\"messages\":[%s],\"tail\":\"%s\",\"why\":\"%s\",\"status\":0}\n",
              reading.messages.c_str(), tail, http_errno_name(HTTP_PARSER_ERRNO(&parser)));
}

}  // namespace

int main() {
  char kind = 0;
  std::string bytes;
  while (read_case(kind, bytes)) {
    read_stream(kind == 'q' ? HTTP_REQUEST : HTTP_RESPONSE, kind == 'h', bytes);
  }
  return 0;
}
