// What a predecessor and its successor say is taken whole or refused with a sentence, reads back
// from what we would have written, and no descriptor that came with it is lost.
#include "hand_over.h"  // tidy: allow(private-header) the processes speak over a channel

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include <sluice/json/value.h>
#include <sluice/net/descriptor_message.h>

#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using fuzz::expect;

void check_word(std::string_view text) {
  const auto word = app::read_successor_word(text);
  if (!word) {
    expect(!word.error().empty(), "a refusal is a sentence");
    return;
  }
  using Kind = app::SuccessorWord::Kind;
  std::string written;
  if (word->kind == Kind::kPrepared) written = app::prepared_text(word->version);
  if (word->kind == Kind::kReady) written = app::ready_text(word->takes);
  if (word->kind == Kind::kFailed) {
    expect(!word->problem.empty(), "a failure says why");
    written = app::failed_text(word->problem);
  }
  const auto again = app::read_successor_word(written);
  expect(again && again->kind == word->kind && again->version == word->version &&
             again->takes == word->takes,
         "a word reads back");
  // A problem that is too long is cut, perhaps within a character.
  if (word->problem.size() < 1000) expect(again->problem == word->problem, "with its problem");
  expect(!app::is_go(text), "no word is a go");
}

void check_hand_over(std::string_view text, size_t count) {
  std::vector<int> fds;
  for (size_t i = 0; i < count; ++i) fds.push_back(static_cast<int>(100 + i));
  const auto read = app::read_hand_over(text, fds);
  if (!read) {
    expect(!read.error().empty(), "a refusal is a sentence");
    return;
  }
  expect(read->descriptors.size() == count, "each descriptor has a name");
  for (size_t i = 0; i < count; ++i) {
    expect(read->descriptors[i].fd == fds[i], "descriptors keep their order");
  }
  const auto again = app::read_hand_over(app::hand_over_text(*read), fds);
  expect(again && again->version == read->version && again->generation == read->generation,
         "a hand-over reads back");
  const auto is_equal = [](const app::GivenDescriptor& left, const app::GivenDescriptor& right) {
    return left.name == right.name && left.place == right.place && left.fd == right.fd;
  };
  expect(std::ranges::equal(read->descriptors, again->descriptors, is_equal), "with all its names");
}

int lowest_free() {
  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::close(fd);
  return fd;
}

// `fds` descriptors go along; only a connection, which has one, may come out.
void check_connection(std::string_view text, size_t count) {
  static const std::array<int, 2> ends = [] {
    std::array<int, 2> made{};
    expect(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, made.data()) == 0, "a channel");
    return made;
  }();
  const int free_before = lowest_free();
  const std::vector<int> fds(count, ends[0]);
  if (net::send_descriptors(ends[0], text, fds) != 0) return;
  auto taken = net::take_connection(ends[1]);
  if (taken) {
    expect(count == 1 && taken->fd >= 0, "a connection has one descriptor");
    expect(net::pass_connection(ends[0], taken->fd, taken->peer, taken->bytes) == 0,
           "it can be passed on");
    ::close(taken->fd);
    const auto again = net::take_connection(ends[1]);
    expect(again && again->peer == taken->peer && again->bytes == taken->bytes,
           "a connection reads back");
    ::close(again->fd);
  }
  expect(lowest_free() == free_before, "no descriptor is lost");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 1) return 0;
  const size_t count = bytes[0] % 4;
  const std::vector<char> copy(bytes + 1, bytes + size);
  const std::string_view text = fuzz::view_of(copy);
  check_word(text);
  check_hand_over(text, count);
  (void)app::is_go(text);
  check_connection(text, count);
  return 0;
}
