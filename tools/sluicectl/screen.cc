#include "screen.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <string>

namespace sluice::sluicectl {
namespace {

constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[2J";
constexpr std::string_view kLeave = "\x1b[?25h\x1b[?1049l";
// Terminals that know it show the frame only when it is whole.
constexpr std::string_view kBegin = "\x1b[?2026h\x1b[H";
constexpr std::string_view kEnd = "\x1b[J\x1b[?2026l";
constexpr std::string_view kLineEnd = "\x1b[K";
constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};

volatile std::sig_atomic_t g_was_resized = 0;
volatile std::sig_atomic_t g_was_ended = 0;

void hear(int number) {
  if (number == SIGWINCH) {
    g_was_resized = 1;
  } else {
    g_was_ended = 1;
  }
}

void write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

winsize size_now() {
  winsize size{};
  const bool is_known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  if (!is_known || size.ws_row == 0 || size.ws_col == 0) size = {.ws_row = 24, .ws_col = 80};
  return size;
}

// The first `columns` characters.
std::string_view cut(std::string_view line, size_t columns) {
  size_t count = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const bool is_first = (static_cast<unsigned char>(line[i]) & 0xc0u) != 0x80u;
    if (is_first && count++ == columns) return line.substr(0, i);
  }
  return line;
}

}  // namespace

Screen::Screen() {
  sigset_t held;
  ::sigemptyset(&held);
  struct sigaction action{};
  action.sa_handler = hear;
  for (const int number : kSignals) {
    ::sigaddset(&held, number);
    ::sigaction(number, &action, nullptr);
  }
  ::sigprocmask(SIG_BLOCK, &held, &mask_before_);
  ::tcgetattr(STDIN_FILENO, &before_);
  termios quiet = before_;
  quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | ISIG);
  quiet.c_cc[VMIN] = 0;
  quiet.c_cc[VTIME] = 0;
  ::tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
  write_all(kEnter);
}

Screen::~Screen() {
  write_all(kLeave);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  for (const int number : kSignals) ::signal(number, SIG_DFL);
  ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
}

size_t Screen::lines() const { return size_now().ws_row; }

void Screen::draw(std::string_view text) {
  const winsize size = size_now();
  std::string frame(kBegin);
  for (size_t line = 0; line < size.ws_row && !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    // No line end after the last line: it would move all lines up.
    if (line > 0) frame += "\r\n";
    frame += cut(text.substr(0, end), size.ws_col);
    frame += kLineEnd;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  write_all(frame.append(kEnd));
}

Screen::Event Screen::wait(int milliseconds) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto in_ms = [](const timespec& time) {
    return static_cast<int64_t>(time.tv_sec) * 1000 + time.tv_nsec / 1000000;
  };
  const int64_t end = in_ms(now) + milliseconds;
  while (true) {
    if (g_was_ended != 0) return Event::kEnd;
    if (g_was_resized != 0) {
      g_was_resized = 0;
      return Event::kResized;
    }
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t left = end - in_ms(now);
    if (left <= 0) return Event::kTime;
    const timespec timeout{.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    // The signals are let in only while this waits, so none is missed.
    if (::ppoll(&input, 1, &timeout, &mask_before_) <= 0) continue;
    char key = 0;
    // The terminal is gone when it is readable and there is nothing to read.
    if (::read(STDIN_FILENO, &key, 1) <= 0) return Event::kEnd;
    if (key == 'q' || key == 'Q' || key == 3) return Event::kEnd;
  }
}

}  // namespace sluice::sluicectl
