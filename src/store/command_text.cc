#include "command_text.h"

#include <hiredis/hiredis.h>

#include <vector>

#include <sluice/base/assert.h>

namespace sluice::store {
namespace {

void append(std::string& text, std::vector<const char*>& bytes, std::vector<size_t>& lengths) {
  char* made = nullptr;
  const int length =
      redisFormatCommandArgv(&made, static_cast<int>(bytes.size()), bytes.data(), lengths.data());
  SLUICE_ASSERT(length > 0);
  text.append(made, static_cast<size_t>(length));
  redisFreeCommand(made);
}

template <class Arguments>
void append_all(std::string& text, const Arguments& arguments) {
  std::vector<const char*> bytes;
  std::vector<size_t> lengths;
  bytes.reserve(arguments.size());
  lengths.reserve(arguments.size());
  for (const auto& argument : arguments) {
    bytes.push_back(argument.data());
    lengths.push_back(argument.size());
  }
  append(text, bytes, lengths);
}

}  // namespace

void append_command(std::string& text, std::span<const std::string> arguments) {
  append_all(text, arguments);
}

void append_command(std::string& text, std::initializer_list<std::string_view> arguments) {
  append_all(text, arguments);
}

}  // namespace sluice::store
