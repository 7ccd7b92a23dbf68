// What a reader takes from a journal is what was framed there, byte by byte, and what it leaves is
// no frame.
#include <cstdint>

#include <sluice/usage/spend_record.h>

#include "fuzz_pieces.h"
#include "journal_frame.h"  // tidy: allow(private-header) the journal has no other way in for bytes

namespace {

using namespace sluice;
using fuzz::expect;

// Framed again, the payloads must give the bytes that were taken.
void check_frames(std::string_view bytes) {
  store::FrameReader reader(bytes);
  std::string again;
  std::string_view payload;
  store::FrameReader::Found found = reader.next(&payload);
  for (; found == store::FrameReader::Found::kFrame; found = reader.next(&payload)) {
    store::append_frame(again, payload);
    if (const auto record = usage::read_spend(payload)) {
      std::string encoded;
      usage::append_spend(encoded, *record);
      const auto same = usage::read_spend(encoded);
      expect(same.has_value(), "a record that was read encodes to none");
      // Older versions and names that are not ours come once in a form of this version.
      std::string encoded_again;
      usage::append_spend(encoded_again, *same);
      expect(encoded_again == encoded, "a record encodes otherwise than it was read");
    }
  }
  expect(again == bytes.substr(0, reader.taken()), "frames are not the bytes taken");
  expect(reader.next(&payload) == found, "asked again, the reader changes its mind");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  check_frames(input);
  (void)store::is_segment_head(input);
  // Its own checksum hides the payload from the fuzzer, so it is framed for it.
  if (size == 0 || size > store::kPayloadBytesMax) return 0;
  std::string framed;
  store::append_frame(framed, input);
  check_frames(framed);
  check_frames(framed + std::string(input));
  store::FrameReader cut(std::string_view(framed).substr(0, framed.size() - 1));
  std::string_view payload;
  expect(cut.next(&payload) == store::FrameReader::Found::kMore, "a cut frame was taken");
  return 0;
}
