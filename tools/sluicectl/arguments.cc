#include "arguments.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>

#include <sluice/base/units.h>

#include "key_file.h"

namespace sluice::sluicectl {
namespace {

using Made = std::expected<json::Value, std::string>;

std::unexpected<std::string> wrong(const Parameter& parameter, std::string_view must) {
  return std::unexpected(std::string(parameter.name) + " must be " + std::string(must));
}

Made integer_of(const Parameter& parameter, const std::string& word) {
  int64_t number = 0;
  const char* end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, number);
  if (error != std::errc{} || stop != end || number < 0) {
    return wrong(parameter, "a whole number, 0 or more");
  }
  return json::Value(number);
}

Made boolean_of(const Parameter& parameter, const std::string& word) {
  if (word != "true" && word != "false") return wrong(parameter, "true or false");
  return json::Value(word == "true");
}

// NAME=VALUE into `members`; false when it is not that.
bool add_pair(std::string_view word, bool is_amount, json::Object& members) {
  const size_t mark = word.find('=');
  if (mark == 0 || mark == std::string_view::npos) return false;
  const std::string_view text = word.substr(mark + 1);
  json::Value value{std::string(text)};
  if (is_amount) {
    auto number = json::parse_value(text);
    double unused = 0;
    if (!number || !number->as_number(unused)) return false;
    value = *std::move(number);
  }
  members.push_back({std::string(word.substr(0, mark)), std::move(value)});
  return true;
}

Made pairs_of(const Parameter& parameter, const std::vector<std::string>& words) {
  const bool is_amount = parameter.kind == Kind::kAmounts;
  json::Object members;
  for (const std::string& word : words) {
    if (!add_pair(word, is_amount, members)) {
      return wrong(parameter, is_amount ? "NAME=NUMBER, such as requests_per_minute=60"
                                        : "NAME=TEXT, such as cost_center=7");
    }
  }
  return json::Value(std::move(members));
}

json::Array texts_of(const std::vector<std::string>& words) {
  json::Array texts;
  for (const std::string& word : words) {
    for (const std::string_view part : split(word, ',')) {
      texts.push_back(json::Value(std::string(part)));
    }
  }
  return texts;
}

// "gpt-4*,o3:tokens_per_minute=1000"; a model's name may hold a colon, an amount's may not.
Made model_limits_of(const Parameter& parameter, const std::vector<std::string>& words) {
  json::Array all;
  for (const std::string& word : words) {
    const size_t mark = word.rfind(':');
    json::Object one;
    const std::string_view amount =
        mark == std::string::npos ? std::string_view() : std::string_view(word).substr(mark + 1);
    if (mark == 0 || !add_pair(amount, true, one)) {
      return wrong(parameter, "MODELS:NAME=NUMBER, such as gpt-4*:tokens_per_minute=1000");
    }
    std::string models = word.substr(0, mark);
    one.insert(one.begin(), {"models", json::Value(texts_of({models}))});
    all.push_back(json::Value(std::move(one)));
  }
  return json::Value(std::move(all));
}

Made file_text(const std::string& path) {
  auto text = read_file(path);
  if (!text) return std::unexpected(text.error());
  return json::Value(*std::move(text));
}

Made key_list(const std::string& path, int64_t now) {
  auto keys = read_key_file(path, now);
  if (!keys) return std::unexpected(keys.error());
  return json::Value(*std::move(keys));
}

bool is_header_text(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

// The words of one parameter, with its fallback; none when it says nothing.
std::vector<std::string> words_of(const Parameter& parameter,
                                  const std::vector<std::string>& given) {
  if (!given.empty() || parameter.fallback.empty()) return given;
  return {std::string(parameter.fallback)};
}

std::string query_text(const json::Value& value) {
  if (const std::string* text = value.as_string()) return *text;
  std::string text;
  value.write(text);
  return text;
}

// Puts what one parameter says where it belongs. The error is a sentence.
std::expected<void, std::string> put(const Parameter& parameter,
                                     const std::vector<std::string>& words, int64_t now,
                                     Request& request, json::Object& body) {
  if (parameter.place == Place::kPath) {
    const size_t mark = request.path.find("{}");
    if (words[0].empty()) return wrong(parameter, "something");
    request.path.replace(mark, 2, encode(words[0], parameter.name != "ID"));
    return {};
  }
  if (parameter.place == Place::kHeader) {
    if (!is_header_text(words[0])) return wrong(parameter, "visible characters without spaces");
    request.headers.emplace_back(parameter.member, words[0]);
    return {};
  }
  if (parameter.kind == Kind::kNulls) {
    for (const json::Value& name : texts_of(words)) body.push_back({*name.as_string(), {}});
    return {};
  }
  auto value = value_of(parameter, words, now);
  if (!value) return std::unexpected(value.error());
  if (parameter.place == Place::kQuery) {
    request.path += request.path.contains('?') ? '&' : '?';
    request.path += std::string(parameter.member) + "=" + encode(query_text(*value), false);
  } else {
    body.push_back({std::string(parameter.member), *std::move(value)});
  }
  return {};
}

}  // namespace

std::string word_of(const Command& command, const Given& given, std::string_view name) {
  for (size_t i = 0; i < command.parameters.size(); ++i) {
    if (command.parameters[i].name != name) continue;
    const std::vector<std::string> words = words_of(command.parameters[i], given[i]);
    return words.empty() ? "" : words[0];
  }
  return "";
}

std::expected<Request, std::string> make_request(const Command& command, const Given& given,
                                                 int64_t now) {
  Request request{.method = std::string(command.method), .path = std::string(command.path)};
  const size_t group = request.path.find('$');
  if (group != std::string::npos) request.path.replace(group, 1, command.group);
  json::Object body;
  for (size_t i = 0; i < command.parameters.size(); ++i) {
    const Parameter& parameter = command.parameters[i];
    const std::vector<std::string> words = words_of(parameter, given[i]);
    if (words.empty() || parameter.place == Place::kLocal) continue;
    if (auto done = put(parameter, words, now, request, body); !done) {
      return std::unexpected(done.error());
    }
  }
  for (size_t i = 0; i < body.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      if (body[i].name == body[k].name) return std::unexpected(body[i].name + " is given twice");
    }
  }
  const bool may_be_empty = command.method == "GET" || command.method == "DELETE";
  const bool takes_body = std::ranges::any_of(
      command.parameters, [](const Parameter& one) { return one.place == Place::kBody; });
  if (!body.empty() || (takes_body && !may_be_empty)) {
    json::Value(std::move(body)).write(request.body);
    if (!command.changing_method.empty()) request.method = command.changing_method;
  }
  return request;
}

Made value_of(const Parameter& parameter, const std::vector<std::string>& words, int64_t now) {
  const std::string& word = words[0];
  switch (parameter.kind) {
    case Kind::kInteger: return integer_of(parameter, word);
    case Kind::kBoolean:
    case Kind::kFlag: return boolean_of(parameter, word);
    case Kind::kTime: return json::Value(time_of(word, now, false));
    case Kind::kPast: return json::Value(time_of(word, now, true));
    case Kind::kTexts: return json::Value(texts_of(words));
    case Kind::kPairs:
    case Kind::kAmounts: return pairs_of(parameter, words);
    case Kind::kModelLimits: return model_limits_of(parameter, words);
    case Kind::kFile: return file_text(word);
    case Kind::kKeyFile: return key_list(word, now);
    case Kind::kText:
    case Kind::kNulls: break;
  }
  return json::Value(word);
}

std::string time_of(std::string_view word, int64_t now, bool is_past) {
  if (const auto length = parse_duration(word)) {
    const int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(*length).count();
    const time_t time = is_past ? now - seconds : now + seconds;
    tm parts{};
    char text[32];
    if (::gmtime_r(&time, &parts) == nullptr) return std::string(word);
    return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
  }
  const bool is_day = word.size() == 10 && word[4] == '-' && word[7] == '-';
  return std::string(word) + (is_day ? "T00:00:00Z" : "");
}

std::string encode(std::string_view text, bool keeps_slashes) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_letter =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (is_letter || std::string_view("-._~").contains(c) || (c == '/' && keeps_slashes)) {
      encoded += c;
    } else {
      encoded += {'%', kDigits[byte >> 4], kDigits[byte & 15u]};
    }
  }
  return encoded;
}

}  // namespace sluice::sluicectl
