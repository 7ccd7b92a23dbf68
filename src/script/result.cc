#include "result.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "plain_text.h"
#include "table_json.h"

namespace sluice::script {
namespace {

constexpr unsigned bit(HookKind kind) { return 1u << static_cast<unsigned>(kind); }

std::string_view text_at(lua_State* lua, int index) {
  size_t size = 0;
  const char* const text = lua_tolstring(lua, index, &size);
  return {text, size};
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char byte) { return byte >= ' ' && byte <= '~'; });
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || std::string_view("!#$%&'*+-.^_`|~").contains(byte);
  });
}

std::string lower(std::string_view text) {
  std::string lowered(text);
  std::ranges::transform(lowered, lowered.begin(), [](char byte) {
    return static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
  });
  return lowered;
}

// Fields that frame the message, name its two ends or say who asks: not a script's (D94).
bool is_reserved_header(std::string_view name) {
  constexpr std::array<std::string_view, 19> kNames = {"accept-encoding",
                                                       "api-key",
                                                       "authorization",
                                                       "connection",
                                                       "content-encoding",
                                                       "content-length",
                                                       "content-type",
                                                       "cookie",
                                                       "expect",
                                                       "forwarded",
                                                       "host",
                                                       "keep-alive",
                                                       "te",
                                                       "trailer",
                                                       "transfer-encoding",
                                                       "upgrade",
                                                       "via",
                                                       "x-api-key",
                                                       "x-goog-api-key"};
  return std::ranges::find(kNames, name) != kNames.end() || name.starts_with("proxy-") ||
         name.starts_with("x-forwarded-");
}

// A string, a number or a boolean at the top, as text.
std::optional<std::string> scalar_text(lua_State* lua) {
  switch (lua_type(lua, -1)) {
    case LUA_TSTRING: return std::string(text_at(lua, -1));
    case LUA_TBOOLEAN: return lua_toboolean(lua, -1) != 0 ? "true" : "false";
    case LUA_TNUMBER: return number_text(lua_tonumber(lua, -1));
    default: return std::nullopt;
  }
}

class Reader {
 public:
  Reader(lua_State* lua, HookKind kind, HookOutcome& outcome)
      : lua_(lua), kind_(kind), outcome_(outcome) {}

  void read(int count) {
    if (count == 0 || (count == 1 && lua_isnil(lua_, -1))) return;
    if (count > 1) return fail(fmt::format("returned {} values; one is allowed", count));
    if (lua_istable(lua_, -1)) {
      read_table();
      finish();
    } else if (lua_isboolean(lua_, -1) && kind_ != HookKind::kOnResponse) {
      decide(lua_toboolean(lua_, -1) != 0);
    } else {
      fail(fmt::format("returned a {}; {} is allowed", lua_typename(lua_, lua_type(lua_, -1)),
                       kind_ == HookKind::kOnResponse ? "nil or a table with `log`"
                                                      : "nil, a boolean or a table"));
    }
  }

 private:
  struct FieldRule {
    std::string_view name;
    unsigned kinds;  // In which hooks.
    int type;
    void (Reader::*take)();
  };

  void fail(std::string problem) {
    if (!error_.empty()) return;
    error_ = std::move(problem);
    std::vector<std::string> lines = std::move(outcome_.log_lines);
    outcome_ = {};
    outcome_.verdict = HookOutcome::Verdict::kError;
    outcome_.message = error_;
    outcome_.log_lines = std::move(lines);
  }

  void decide(bool allows) {
    outcome_.verdict = allows ? HookOutcome::Verdict::kAllow : HookOutcome::Verdict::kRefuse;
  }

  void read_table() {
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      read_field();
      lua_pop(lua_, 1);
      if (!error_.empty()) {
        lua_pop(lua_, 1);
        return;
      }
    }
  }

  void read_field() {
    static constexpr unsigned kAuth = bit(HookKind::kOnAuth);
    static constexpr unsigned kRequest = bit(HookKind::kOnRequest);
    static constexpr unsigned kResponse = bit(HookKind::kOnResponse);
    static constexpr FieldRule kRules[] = {
        {"allow", kAuth | kRequest, LUA_TBOOLEAN, &Reader::take_allow},
        {"message", kAuth | kRequest, LUA_TSTRING, &Reader::take_message},
        {"metadata", kAuth, LUA_TTABLE, &Reader::take_metadata},
        {"headers", kRequest, LUA_TTABLE, &Reader::take_headers},
        {"tags", kRequest, LUA_TTABLE, &Reader::take_tags},
        {"priority", kRequest, LUA_TNUMBER, &Reader::take_priority},
        {"model", kRequest, LUA_TSTRING, &Reader::take_model},
        {"log", kResponse, LUA_TTABLE, &Reader::take_log},
    };
    if (lua_type(lua_, -2) != LUA_TSTRING) return fail("returned a list; a table of fields is");
    const std::string_view name = text_at(lua_, -2);
    for (const FieldRule& rule : kRules) {
      if (rule.name != name) continue;
      if ((rule.kinds & bit(kind_)) == 0) {
        return fail(fmt::format("returned `{}`, which is not for this hook", name));
      }
      if (lua_type(lua_, -1) != rule.type) {
        return fail(fmt::format("returned `{}` as a {}; it is a {}", name,
                                lua_typename(lua_, lua_type(lua_, -1)),
                                lua_typename(lua_, rule.type)));
      }
      return (this->*rule.take)();
    }
    fail(fmt::format("returned the unknown field `{}`", plain_text(name, 32)));
  }

  void finish() {
    if (!error_.empty()) return;
    if (outcome_.verdict != HookOutcome::Verdict::kRefuse) outcome_.message.clear();
    std::ranges::sort(outcome_.headers);
    std::ranges::sort(outcome_.log_fields);
    const auto is_same = [](const auto& a, const auto& b) { return a.first == b.first; };
    if (std::ranges::adjacent_find(outcome_.headers, is_same) != outcome_.headers.end()) {
      fail("returned a header twice, in different case");
    }
  }

  void take_allow() { decide(lua_toboolean(lua_, -1) != 0); }
  void take_message() { outcome_.message = plain_text(text_at(lua_, -1), kMessageBytesMax); }

  void take_metadata() {
    auto text = object_text(lua_, kScriptMetadataBytesMax);
    if (!text) return fail(fmt::format("returned `metadata` that {}", text.error()));
    outcome_.metadata = std::move(*text);
  }

  void take_priority() {
    const double number = lua_tonumber(lua_, -1);
    if (!(number >= 0 && number <= static_cast<double>(kScriptPriorityMax)) ||
        number != std::floor(number)) {
      return fail("returned `priority` that is not a whole number of 0 to 1000");
    }
    outcome_.priority = static_cast<int64_t>(number);
  }

  void take_model() {
    const std::string_view model = text_at(lua_, -1);
    if (model.empty() || model.size() > kModelBytesMax || !is_printable(model)) {
      return fail("returned `model` that is not 1 to 256 printable bytes");
    }
    outcome_.model = model;
  }

  void take_tags() {
    const size_t count = lua_objlen(lua_, -1);
    if (count > kScriptTagsMax) return fail("returned more than 8 `tags`");
    size_t members = 0;
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      ++members;
      lua_pop(lua_, 1);
      if (members > count) break;
    }
    if (members > count) {
      lua_pop(lua_, 1);
      return fail("returned `tags` that are not a list");
    }
    for (size_t i = 1; i <= count; ++i) {
      lua_rawgeti(lua_, -1, static_cast<int>(i));
      const bool is_text = lua_type(lua_, -1) == LUA_TSTRING;
      const std::string_view tag = is_text ? text_at(lua_, -1) : std::string_view();
      if (tag.empty() || tag.size() > kTagBytesMax || !is_token(tag)) {
        fail("returned a tag that is not 1 to 64 letters, digits or of -_.");
      } else {
        outcome_.tags.emplace_back(tag);
      }
      lua_pop(lua_, 1);
      if (!error_.empty()) return;
    }
  }

  void take_headers() {
    each_pair("headers", kScriptHeadersMax, [this](std::string name, std::string value) {
      if (name.size() > kHeaderNameBytesMax || !is_token(name)) {
        return fail("returned a header whose name is not one");
      }
      name = lower(name);
      if (is_reserved_header(name)) {
        return fail(fmt::format("returned the header {}, which is not a script's to set", name));
      }
      if (value.size() > kHeaderValueBytesMax || !is_printable(value)) {
        return fail(
            fmt::format("returned the header {} with a value that is not at most 512 "
                        "printable bytes",
                        name));
      }
      outcome_.headers.emplace_back(std::move(name), std::move(value));
    });
  }

  void take_log() {
    each_pair("log", kLogFieldsMax, [this](std::string name, const std::string& value) {
      const bool is_word = !name.empty() && std::ranges::all_of(name, [](char byte) {
        return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_';
      });
      if (name.size() > kHeaderNameBytesMax || !is_word) {
        return fail("returned a log field whose name is not of a-z, 0-9 and _");
      }
      outcome_.log_fields.emplace_back(std::move(name), plain_text(value, kLogFieldBytesMax));
    });
  }

  // Of the table on top, name by name.
  template <typename Take>
  void each_pair(std::string_view field, size_t most, Take take) {
    size_t count = 0;
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      std::optional<std::string> value = scalar_text(lua_);
      if (++count > most) {
        fail(fmt::format("returned more than {} `{}`", most, field));
      } else if (lua_type(lua_, -2) != LUA_TSTRING || !value) {
        fail(fmt::format("returned `{}` that are not names with texts", field));
      } else {
        take(std::string(text_at(lua_, -2)), std::move(*value));
      }
      lua_pop(lua_, 1);
      if (!error_.empty()) {
        lua_pop(lua_, 1);
        return;
      }
    }
  }

  lua_State* lua_;
  HookKind kind_;
  HookOutcome& outcome_;
  std::string error_;
};

}  // namespace

void read_result(lua_State* lua, int count, HookKind kind, HookOutcome& outcome) {
  Reader(lua, kind, outcome).read(count);
}

}  // namespace sluice::script
