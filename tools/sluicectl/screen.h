// The terminal while `sluicectl top` has it: another screen, no echo, restored at the end.
#pragma once

#include <csignal>
#include <cstddef>
#include <string_view>

#include <termios.h>

namespace sluice::sluicectl {

// One at a time; not copied. Signals that end the program are held back and only heard in wait().
class Screen {
 public:
  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // Lines and columns at present.
  [[nodiscard]] size_t lines() const;
  // Puts `text` in place of what is shown, in one write; what is too wide or too long is cut.
  void draw(std::string_view text);

  enum class Event : unsigned char { kTime, kResized, kEnd };
  // Until `milliseconds` are over, the size has changed, or q, Ctrl-C or a signal ends it.
  [[nodiscard]] Event wait(int milliseconds);

 private:
  termios before_{};
  sigset_t mask_before_{};
};

}  // namespace sluice::sluicectl
