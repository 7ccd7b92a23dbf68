// A TLS session tells no plaintext but what its peer has sent, in that order, whatever happens to
// the bytes between; and it ends in order only where its peer has, with all that came before.
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>

#include <sluice/net/tls.h>

#include "fuzz_pieces.h"
#include "test_certificates.h"
#include "tls_session.h"  // tidy: allow(private-header) a session is fed bytes without a socket

namespace {

using namespace sluice;
using fuzz::expect;
using net::TlsSession;

// Buffers are lent outside of any ring.
class NoKernel final : public io::Kernel {
 public:
  void submit(const io::Submission&) override { std::abort(); }
  size_t wait(std::optional<Duration>, std::span<io::KernelCompletion>) override { return 0; }
  void provide_buffer(uint16_t, char*, uint32_t) override {}
  void commit_buffers() override {}
  [[nodiscard]] io::KernelFigures figures() const override { return {}; }
};

// What all runs share: a self-signed certificate, and both roles' profiles.
struct Setting {
  Setting() {
    const support::TestCertificate made = support::make_certificate(
        {.subject_alt_name = "DNS:fuzz.test", .now = SystemClock().wall()});
    const net::TlsIdentity identity = {.chain_pem = made.pem,
                                       .key_pem = crypto::Secret(made.key_pem),
                                       .ocsp_der = {},
                                       .names = {"fuzz.test"}};
    auto listener = net::TlsProfile::make_server({.identities = {&identity}, .client_ca_pem = {}},
                                                 net::TicketKeys::generate());
    net::SystemAuthorities system;
    auto caller =
        net::TlsProfile::make_client({.ca_pem = made.pem, .pins = {}, .server_name = {}}, system);
    expect(listener.has_value() && caller.has_value(), "the profiles can be made");
    server = *listener;
    client = *caller;
    rules = net::TlsRef<net::PeerRules>(
        *new net::PeerRules{.server_name = "fuzz.test", .pins = {}, .verify = true, .uses = 0});
  }
  NoKernel kernel;
  io::BufferPool buffers{kernel, {.hot = 1, .most = 64}};
  net::TlsRef<net::TlsProfile> server, client;
  net::TlsRef<net::PeerRules> rules;
};

Setting& setting() {
  static Setting made;
  return made;
}

// The byte at each place of what a side sends.
char sent_at(uint64_t place) { return static_cast<char>(place * 131 + (place >> 8) * 7); }

// One session and the ciphertext on its way to it.
struct End {
  net::Stream::SessionPtr session;
  std::string inbound;
  bool is_established = false;
  uint64_t sent = 0;
  uint64_t received = 0;
  bool has_ended = false;  // It has written its close_notify.
  bool saw_end = false;
  bool saw_failure = false;
};

// The input as choices; zeros once it is used up.
class Choices {
 public:
  Choices(const uint8_t* bytes, size_t size) : bytes_(bytes), size_(size) {}
  [[nodiscard]] bool has_more() const { return at_ < size_; }
  uint8_t next() { return at_ < size_ ? bytes_[at_++] : uint8_t{0}; }
  size_t number() {
    const size_t high = next();
    return high << 8 | next();
  }
  std::string_view raw(size_t count) {
    count = std::min(count, size_ - at_);
    const std::string_view taken(reinterpret_cast<const char*>(bytes_) + at_, count);
    at_ += count;
    return taken;
  }

 private:
  const uint8_t* bytes_;
  size_t size_;
  size_t at_ = 0;
};

class Pair {
 public:
  Pair() {
    ends_[0].session = TlsSession::make(setting().client, setting().rules);
    ends_[1].session = TlsSession::make(setting().server, {});
    expect(ends_[0].session != nullptr && ends_[1].session != nullptr, "sessions can be made");
    step(ends_[0]);
  }

  [[nodiscard]] End& end(size_t which) { return ends_[which & 1]; }
  [[nodiscard]] bool is_established() const {
    return ends_[0].is_established && ends_[1].is_established;
  }
  [[nodiscard]] bool is_tampered() const { return is_tampered_; }
  void tamper() { is_tampered_ = true; }

  void settle() {
    for (int i = 0; i < 64 && (!ends_[0].inbound.empty() || !ends_[1].inbound.empty()); ++i) {
      deliver(ends_[0], ends_[0].inbound.size());
      deliver(ends_[1], ends_[1].inbound.size());
    }
  }

  // Hands at most `count` bytes on, as a receive would.
  void deliver(End& to, size_t count) {
    while (count > 0 && !to.inbound.empty()) {
      const size_t part =
          std::min({count, to.inbound.size(), size_t{io::BufferPool::kUsableBytes}});
      count -= part;
      if (to.saw_failure || to.saw_end) {
        to.inbound.erase(0, part);
        continue;
      }
      io::Buffer buffer = setting().buffers.take_spare();
      std::copy_n(to.inbound.begin(), part, buffer.spare_data());
      buffer.set_spare_length(part);
      to.inbound.erase(0, part);
      to.session->feed(std::move(buffer));
      to.is_established ? read(to) : step(to);
    }
  }

  void write(End& from, size_t count) {
    count = std::min(count, TlsSession::kRecordBytes);
    if (count == 0 || !from.is_established || from.has_ended) return;
    std::string text(count, '\0');
    for (char& c : text) c = sent_at(from.sent++);
    const bool is_written = from.session->write(text);
    expect(is_written || from.saw_failure, "a session that has not failed takes what is written");
    if (!is_written) from.sent -= count;
    carry(from);
  }

  void finish(End& from) {
    if (!from.is_established || from.saw_failure) return;
    from.session->end();
    from.has_ended = true;
    carry(from);
  }

 private:
  End& other(End& end) { return &end == &ends_[0] ? ends_[1] : ends_[0]; }

  void carry(End& from) {
    if (from.session->output().empty()) return;
    other(from).inbound += from.session->take_batch();
    from.session->batch_sent();
  }

  void step(End& of) {
    const TlsSession::Step outcome = of.session->step();
    carry(of);
    if (outcome == TlsSession::Step::kFailed) {
      of.saw_failure = true;
      expect(!of.session->failure().empty(), "a failure has a reason");
      expect(is_tampered_, "an honest handshake succeeds");
      return;
    }
    if (outcome == TlsSession::Step::kWantsInput) {
      expect(!of.session->has_input(), "what was fed is used before more is wanted");
      return;
    }
    of.is_established = true;
    if (of.session->has_more()) read(of);
  }

  void read(End& of) {
    static std::array<char, io::BufferPool::kSpareUsableBytes> text;
    do {
      size_t count = 0;
      const TlsSession::Read outcome = of.session->read(text.data(), text.size(), &count);
      expect((count > 0) == (outcome == TlsSession::Read::kBytes), "bytes come with their count");
      for (size_t i = 0; i < count; ++i) {
        expect(text[i] == sent_at(of.received + i), "plaintext is what was sent, in its order");
      }
      of.received += count;
      expect(of.received <= other(of).sent, "no more is read than was sent");
      of.saw_end = outcome == TlsSession::Read::kEnd;
      of.saw_failure = outcome == TlsSession::Read::kFailed;
      if (outcome == TlsSession::Read::kWantsInput) {
        expect(!of.session->has_input(), "what was fed is used before more is wanted");
        break;
      }
    } while (!of.saw_end && !of.saw_failure && of.session->has_more());
    if (of.saw_failure) expect(is_tampered_, "an honest stream does not fail");
    if (of.saw_end) {
      expect(other(of).has_ended, "the peer has ended");
      expect(of.received == other(of).sent, "an orderly end comes behind all that was sent");
    }
    carry(of);
  }

  std::array<End, 2> ends_;
  bool is_tampered_ = false;
};

// Where the record around `at` begins and ends, by the lengths that stand in the bytes.
std::pair<size_t, size_t> record_at(std::string_view bytes, size_t at) {
  size_t begin = 0;
  while (begin + 5 <= bytes.size()) {
    const size_t length = static_cast<unsigned char>(bytes[begin + 3]) * 256u +
                          static_cast<unsigned char>(bytes[begin + 4]) + 5;
    const size_t end = std::min(bytes.size(), begin + length);
    if (at < end) return {begin, end};
    begin = end;
  }
  return {std::min(begin, bytes.size()), bytes.size()};
}

// Changes what is on its way; says nothing when there is nothing to change.
void strike(Pair& pair, std::string& wire, uint8_t kind, Choices& choices) {
  if (kind == 5) {
    const std::string_view raw = choices.raw(choices.number() % 600);
    if (raw.empty()) return;
    wire.insert(wire.empty() ? 0 : choices.number() % wire.size(), raw);
    return pair.tamper();
  }
  if (wire.empty()) return;
  const size_t at = choices.number() % wire.size();
  const auto [begin, end] = record_at(wire, at);
  pair.tamper();
  switch (kind) {
    case 0: wire[at] = static_cast<char>(wire[at] ^ (1 << choices.next() % 8)); break;
    case 1: wire.erase(at, 1 + choices.number() % 64); break;
    case 2: wire.erase(begin, end - begin); break;
    case 3: wire.insert(end, wire.substr(begin, end - begin)); break;
    case 4: {
      const std::string record = wire.substr(begin, end - begin);
      wire.erase(begin, end - begin);
      wire += record;
      break;
    }
    case 6: wire[begin] = static_cast<char>(choices.next()); break;
    default:
      if (begin + 4 < wire.size()) wire[begin + 4] = static_cast<char>(choices.next());
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  Choices choices(bytes, size);
  Pair pair;
  const bool is_within_handshake = (choices.next() & 1) != 0;
  if (!is_within_handshake) {
    pair.settle();
    expect(pair.is_established(), "an honest handshake succeeds");
  }
  for (int i = 0; choices.has_more() && i < 200; ++i) {
    const uint8_t choice = choices.next();
    End& end = pair.end(choice >> 7);
    switch (choice % 16) {
      case 0:
      case 1:
      case 2: pair.write(end, 1 + choices.next()); break;
      case 3: pair.write(end, choices.number()); break;
      case 4: pair.deliver(end, choices.next()); break;
      case 5: pair.deliver(end, choices.number()); break;
      case 6: pair.deliver(end, end.inbound.size()); break;
      case 7: pair.finish(end); break;
      default: strike(pair, end.inbound, choice % 16 - 8, choices); break;
    }
  }
  pair.settle();
  if (pair.is_tampered()) return 0;
  expect(pair.is_established(), "an honest handshake succeeds");
  for (size_t i = 0; i < 2; ++i) {
    const End& end = pair.end(i);
    expect(end.received == pair.end(i + 1).sent || end.saw_end, "all that was sent arrives");
    expect(end.saw_end || !pair.end(i + 1).has_ended, "an end that was sent is seen");
  }
  return 0;
}
