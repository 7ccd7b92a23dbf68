#include <cstring>

#include <sluice/auth/key_record.h>

namespace sluice::auth {
namespace {

// Where `part` begins in `text`; the C library's search takes linear time, unlike the string's.
size_t find_part(std::string_view text, std::string_view part) noexcept {
  if (part.size() > text.size()) return std::string_view::npos;
  const void* const found = ::memmem(text.data(), text.size(), part.data(), part.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace

bool matches_glob(std::string_view glob, std::string_view text) noexcept {
  const size_t first_star = glob.find('*');
  if (first_star == std::string_view::npos) return glob == text;
  const size_t last_star = glob.rfind('*');
  const std::string_view front = glob.substr(0, first_star);
  const std::string_view back = glob.substr(last_star + 1);
  if (text.size() < front.size() + back.size() || !text.starts_with(front) ||
      !text.ends_with(back)) {
    return false;
  }
  text = text.substr(front.size(), text.size() - front.size() - back.size());
  // Each part where it is found first: that leaves the most for those behind it, so nothing is ever
  // tried again.
  std::string_view middle = glob.substr(first_star, last_star - first_star);
  while (!middle.empty()) {
    middle.remove_prefix(1);
    const std::string_view part = middle.substr(0, middle.find('*'));
    middle.remove_prefix(part.size());
    if (part.empty()) continue;
    const size_t at = find_part(text, part);
    if (at == std::string_view::npos) return false;
    text.remove_prefix(at + part.size());
  }
  return true;
}

}  // namespace sluice::auth
