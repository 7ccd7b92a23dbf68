#include <sluice/net/proxy_header.h>

#include <string>

#include "net_world.h"

namespace sluice::net {
namespace {

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
const std::string kFromIpv4 =
    kSignature + std::string("\x21\x11\0\x0C\xC0\0\2\7\x7F\0\0\1\x30\x39\x01\xBB", 16);
const std::string kFromLocal = kSignature + std::string("\x20\0\0\0", 4);

class ReceiveProxyHeader : public NetWorld {
 protected:
  ReceiveProxyHeader() : gone_(ring_.ready()) { serve(a()); }
  ~ReceiveProxyHeader() override {
    EXPECT_EQ(world_.files().open_count(), 1u);
    EXPECT_EQ(ring_.ops_in_flight(), 1u);
    EXPECT_EQ(ring_.buffers().in_use(), 0u);
  }
  Task<void> receive() {
    Stream stream(ring_, dial_now(), Side::kDownstream);
    const Deadline deadline = Deadline::after(ring_.now(), seconds(1));
    Result<std::optional<Ipv6Bytes>> outcome =
        co_await receive_proxy_header(stream, deadline, &gone_);
    if (outcome) {
      stream.start_receive();
      co_await io::first_of(&stream.received());
      const Result<io::Buffer> buffer = stream.take_received();
      if (buffer) behind_ = buffer->bytes();
    }
    co_await stream.close();
    outcome_.emplace(outcome);
  }
  // What came of a peer that says `parts`, one after the other.
  Result<std::optional<Ipv6Bytes>> receive_from(const std::vector<std::string>& parts) {
    outcome_.reset();
    behind_.clear();
    io::start_detached(receive());
    for (const std::string& part : parts) {
      peers_.back()->send(part);
      EXPECT_TRUE(world_.run_for(ring_, milliseconds(1)));
    }
    finish();
    return *outcome_;
  }
  void finish() {
    EXPECT_TRUE(run_until([this] { return outcome_.has_value(); }));
    peers_.back()->close();
    EXPECT_TRUE(world_.run_for(ring_, milliseconds(1)));
  }

  io::Event gone_;
  std::optional<Result<std::optional<Ipv6Bytes>>> outcome_;
  std::string behind_;
};

TEST_F(ReceiveProxyHeader, it_is_received_at_every_cut_and_nothing_behind_it) {
  const Ipv6Bytes source{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, 7};
  const std::string text = kFromIpv4 + "GET /";
  for (size_t cut = 1; cut < text.size(); ++cut) {
    const auto got = receive_from({text.substr(0, cut), text.substr(cut)});
    ASSERT_TRUE(got) << cut;
    EXPECT_EQ(*got, source);
    EXPECT_EQ(behind_, cut <= kFromIpv4.size()
                           ? "GET /"
                           : text.substr(kFromIpv4.size(), cut - kFromIpv4.size()));
  }
  const auto local = receive_from({kFromLocal, "x"});
  ASSERT_TRUE(local);
  EXPECT_EQ(*local, std::nullopt);
}

TEST_F(ReceiveProxyHeader, all_else_is_refused_at_its_first_byte) {
  EXPECT_EQ(receive_from({"P"}).error().code, ErrorCode::kMalformedRequest);
  EXPECT_EQ(receive_from({kSignature, "\x11"}).error().code, ErrorCode::kMalformedRequest);
}

TEST_F(ReceiveProxyHeader, it_ends_with_the_peer_the_deadline_and_the_drain) {
  io::start_detached(receive());
  peers_.back()->send(kFromIpv4.substr(0, 20));
  peers_.back()->finish();
  finish();
  EXPECT_EQ(outcome_->error().code, ErrorCode::kDownstreamLost);
  EXPECT_EQ(receive_from({kFromIpv4.substr(0, 20)}).error().code, ErrorCode::kRequestTimeout);
  outcome_.reset();
  io::start_detached(receive());
  EXPECT_TRUE(world_.run_for(ring_, milliseconds(1)));
  gone_.trigger();
  finish();
  EXPECT_EQ(outcome_->error().code, ErrorCode::kDownstreamLost);
}

}  // namespace
}  // namespace sluice::net
