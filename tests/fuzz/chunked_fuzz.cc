// A chunked body decodes the same whole and in pieces; encoded anew it decodes to the same
// payload; and wherever it breaks off, closing() lets a chunk and the end follow.
#include <sluice/http/chunked.h>

#include <array>

#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using fuzz::expect;

struct Decoded {
  std::string payload;
  std::string error;
  size_t consumed = 0;
  bool finished = false;
  bool at_boundary = false;
  uint64_t chunk_bytes_left = 0;
  bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view text, std::vector<size_t> cuts, http::Trailers trailers) {
  http::ChunkedDecoder decoder(Side::kDownstream, trailers);
  Decoded decoded;
  cuts.push_back(text.size());
  size_t begin = 0;
  for (const size_t end : cuts) {
    const std::vector<char> piece = fuzz::copy_of(text.substr(begin, end - begin));
    begin = end;
    size_t at = 0;
    while (at < piece.size() && !decoder.finished()) {
      const auto span = decoder.next(fuzz::view_of(piece), at);
      if (!span.has_value()) {
        decoded.error = span.error().detail;
        decoded.consumed += at;
        return decoded;
      }
      const std::string_view read = fuzz::view_of(piece).substr(0, at);
      const auto ends = [&span](std::string_view bytes) {
        return bytes.size() >= span->size() &&
               span->data() + span->size() == bytes.data() + bytes.size();
      };
      expect(span->empty() || ends(read) ||
                 (read.ends_with(http::kChunkEnd) && ends(read.substr(0, at - 2))),
             "payload is a view that ends where reading stopped, or before its line end");
      decoded.payload += *span;
    }
    decoded.consumed += at;
  }
  decoded.finished = decoder.finished();
  decoded.at_boundary = decoder.at_chunk_boundary();
  decoded.chunk_bytes_left = decoder.chunk_bytes_left();
  return decoded;
}

void check_round_trip(const std::string& payload, const std::vector<size_t>& cuts) {
  std::string body;
  size_t begin = 0;
  std::array<char, http::kChunkHeadBytesMax> head;
  for (size_t end : cuts) {
    end = std::min(end, payload.size());
    if (end == begin) continue;
    body += http::write_chunk_head(head, end - begin);
    body.append(payload, begin, end - begin).append(http::kChunkEnd);
    begin = end;
  }
  if (begin < payload.size()) {
    body += http::write_chunk_head(head, payload.size() - begin);
    body.append(payload, begin).append(http::kChunkEnd);
  }
  body += http::kLastChunk;
  const Decoded decoded = decode(body, cuts.back() < body.size() ? cuts : std::vector<size_t>{},
                                 http::Trailers::kRefused);
  expect(decoded.finished && decoded.payload == payload && decoded.consumed == body.size(),
         "what was encoded decodes to the same");
}

void check_closing(std::string_view text) {
  http::ChunkedDecoder decoder(Side::kUpstream);
  size_t at = 0;
  while (at < text.size() && !decoder.finished()) {
    if (!decoder.next(text, at).has_value()) return;
  }
  const http::ChunkClosing closing = decoder.closing();
  expect(!closing.possible || closing.fill_bytes >= decoder.chunk_bytes_left(), "fills the chunk");
  if (!closing.possible || closing.fill_bytes > 1u << 16) return;
  std::string sent(text);
  sent += closing.before;
  sent.append(closing.fill_bytes, ' ').append(closing.after).append("3\r\nown\r\n0\r\n\r\n");
  const Decoded decoded = decode(sent, {}, http::Trailers::kAccepted);
  // One byte more may be one too many for an extension at its bound; nothing else may fail.
  if (decoded.error == "chunk extension too long") return;
  expect(decoded.finished && decoded.payload.ends_with("own"), "a chunk can follow a closed one");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const fuzz::Pieces pieces = fuzz::make_pieces(bytes, size);
  if (pieces.text.empty()) return 0;
  const auto trailers = bytes[1] % 4 == 0 ? http::Trailers::kRefused : http::Trailers::kAccepted;
  const Decoded whole = decode(pieces.text, {}, trailers);
  expect(whole == decode(pieces.text, pieces.cuts, trailers), "the cuts do not change the outcome");
  if (!pieces.cuts.empty()) check_round_trip(whole.payload, pieces.cuts);
  check_closing(pieces.text);
  return 0;
}
