#include <sluice/config/diagnostic.h>

#include <fmt/format.h>

namespace sluice::config {
namespace {

// A name of the file may hold a line break in quotes; a diagnostic is one line.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

}  // namespace

std::string to_string(const Diagnostic& diagnostic) {
  if (diagnostic.line == 0) {
    return one_line(
        fmt::format("{}: {}; {}", diagnostic.file, diagnostic.cause, diagnostic.remedy));
  }
  return one_line(fmt::format("{}:{}: {}; {}", diagnostic.file, diagnostic.line, diagnostic.cause,
                              diagnostic.remedy));
}

}  // namespace sluice::config
