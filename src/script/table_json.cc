#include "table_json.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <sluice/json/writer.h>

namespace sluice::script {
namespace {

// Two slots of Lua's stack each; a function may count on twenty.
constexpr int kDepthMax = 6;
constexpr size_t kMembersMax = 512;  // In all tables together.

class TableWriter {
 public:
  TableWriter(lua_State* lua, size_t bytes_max) : lua_(lua), bytes_max_(bytes_max) {}

  std::expected<std::string, const char*> run() {
    std::string text;
    write_object(text, 1);
    if (error_ == nullptr && text.size() > bytes_max_) error_ = "has more than 8192 bytes of JSON";
    if (error_ != nullptr) return std::unexpected(error_);
    return text;
  }

 private:
  void fail(const char* error) {
    if (error_ == nullptr) error_ = error;
  }

  // The value on top.
  std::string write(int depth) {
    std::string text;
    switch (lua_type(lua_, -1)) {
      case LUA_TBOOLEAN: return lua_toboolean(lua_, -1) != 0 ? "true" : "false";
      case LUA_TNUMBER: {
        const double number = lua_tonumber(lua_, -1);
        if (!std::isfinite(number)) fail("holds a number that JSON has not");
        return number_text(number);
      }
      case LUA_TSTRING: {
        size_t size = 0;
        const char* const bytes = lua_tolstring(lua_, -1, &size);
        if (size > bytes_max_) {
          fail("holds a text that is too long");
        } else {
          json::Writer(text).string({bytes, size});
        }
        return text;
      }
      case LUA_TTABLE:
        if (depth > kDepthMax) {
          fail("is nested too deeply");
        } else if (lua_objlen(lua_, -1) > 0) {
          write_array(text, depth);
        } else {
          write_object(text, depth);
        }
        return text;
      default: fail("holds what JSON has not, such as a function"); return text;
    }
  }

  void write_array(std::string& out, int depth) {
    const size_t size = lua_objlen(lua_, -1);
    if (size > kMembersMax) return fail("has too many members");
    if (!count_members(size)) return fail("holds a table that is both a list and an object");
    json::Writer writer(out);
    writer.begin_array();
    for (size_t i = 1; i <= size && error_ == nullptr; ++i) {
      lua_rawgeti(lua_, -1, static_cast<int>(i));
      if (lua_isnil(lua_, -1)) {
        writer.null();
      } else {
        writer.raw(write(depth + 1));
      }
      lua_pop(lua_, 1);
    }
    writer.end_array();
  }

  // Whether the table on top has at most `most` members, and counts them.
  bool count_members(size_t most) {
    size_t members = 0;
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      lua_pop(lua_, 1);
      if (++members > most) {
        lua_pop(lua_, 1);
        return false;
      }
    }
    members_ += members;
    if (members_ > kMembersMax) fail("has too many members");
    return true;
  }

  void write_object(std::string& out, int depth) {
    std::map<std::string, std::string> members;
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      if (lua_type(lua_, -2) != LUA_TSTRING) {
        fail("holds a table with keys that are not names");
      } else if (++members_ > kMembersMax) {
        fail("has too many members");
      } else {
        size_t size = 0;
        const char* const name = lua_tolstring(lua_, -2, &size);
        if (size > bytes_max_) fail("holds a text that is too long");
        std::string value = error_ == nullptr ? write(depth + 1) : std::string();
        if (error_ == nullptr) members.emplace(std::string(name, size), std::move(value));
      }
      lua_pop(lua_, 1);
      if (error_ != nullptr) {
        lua_pop(lua_, 1);
        return;
      }
    }
    json::Writer writer(out);
    writer.begin_object();
    for (const auto& [name, value] : members) writer.key(name).raw(value);
    writer.end_object();
  }

  lua_State* lua_;
  size_t bytes_max_;
  size_t members_ = 0;
  const char* error_ = nullptr;
};

}  // namespace

std::expected<std::string, const char*> object_text(lua_State* lua, size_t bytes_max) {
  return TableWriter(lua, bytes_max).run();
}

std::string number_text(double number) {
  constexpr double kWholeMost = 9007199254740992.0;  // 2^53
  std::string text;
  json::Writer writer(text);
  if (std::abs(number) <= kWholeMost && number == std::floor(number)) {
    writer.integer(static_cast<int64_t>(number));
  } else {
    writer.number(number);
  }
  return text;
}

}  // namespace sluice::script
