// An answer to a request of our own (a webhook's, an issuer's, a discovery's) is read the same
// whole and in pieces, within its bound, and never lasts longer than it says.
#include "client_answer.h"  // tidy: allow(private-header) the client needs a socket

#include <algorithm>

#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using fuzz::expect;

constexpr size_t kNarrowBytes = 96;

struct Reading {
  enum class End { kMore, kWhole, kBroken } end = End::kMore;
  std::string detail;
  size_t used = 0;  // Bytes given up to the end.
  bool is_whole_at_close = false;
  bool keeps_alive = false;
  http::ClientAnswer answer;
};

Reading read(const fuzz::Pieces& pieces, bool whole, size_t bytes_max) {
  Reading reading;
  http::ClientAnswerReader reader(bytes_max);
  std::vector<size_t> cuts = whole ? std::vector<size_t>() : pieces.cuts;
  cuts.push_back(pieces.text.size());
  size_t begin = 0;
  for (const size_t end : cuts) {
    if (end == begin) continue;
    const std::vector<char> piece = fuzz::copy_of(pieces.text.substr(begin, end - begin));
    begin = end;
    const Result<bool> taken = reader.take(fuzz::view_of(piece));
    expect(reader.answer().body.size() <= bytes_max, "the answer is within its bound");
    reading.used = end;
    if (!taken) {
      expect(taken.error().code == ErrorCode::kUpstreamProtocol, "the server is blamed");
      reading.end = Reading::End::kBroken;
      reading.detail = taken.error().detail;
      return reading;
    }
    if (*taken) {
      reading.end = Reading::End::kWhole;
      break;
    }
  }
  reading.is_whole_at_close = reading.end == Reading::End::kMore && reader.take_end();
  reading.keeps_alive = reader.keeps_alive();
  reading.answer = reader.answer();
  return reading;
}

bool is_equal(const http::ClientAnswer& left, const http::ClientAnswer& right) {
  return left.status == right.status && left.content_type == right.content_type &&
         left.body == right.body && left.max_age == right.max_age;
}

void check_age(std::string_view text) {
  const auto age = http::read_max_age(text);
  if (age) expect(*age >= Duration::zero() && *age <= seconds(365 * 86'400), "ages have bounds");
  const auto none = http::read_max_age("no-store, " + std::string(text));
  expect(none && *none == Duration::zero(), "what must not be stored is not kept");
  const auto short_one = http::read_max_age("max-age=7, " + std::string(text));
  expect(short_one && *short_one <= seconds(7), "the shortest age holds");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const fuzz::Pieces pieces = fuzz::make_pieces(bytes, size);
  if (pieces.text.empty()) return 0;
  const Reading whole = read(pieces, true, size);
  const Reading split = read(pieces, false, size);
  expect(whole.end == split.end, "the cuts do not change how it ends");
  expect(whole.detail == split.detail, "the cuts do not change what is wrong");
  if (whole.end != Reading::End::kBroken) {
    expect(is_equal(whole.answer, split.answer), "the cuts do not change the answer");
    expect(whole.is_whole_at_close == split.is_whole_at_close, "nor whether a close ends it");
    // What lies behind the answer is seen only when it comes with its last bytes.
    if (split.used == pieces.text.size()) {
      expect(whole.keeps_alive == split.keeps_alive, "nor whether the connection lives on");
    }
    expect(!whole.keeps_alive || split.keeps_alive, "more bytes never make a connection better");
  }
  (void)read(pieces, false, kNarrowBytes);
  check_age(pieces.text.substr(0, 200));
  return 0;
}
