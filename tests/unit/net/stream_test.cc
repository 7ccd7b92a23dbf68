#include <sluice/net/stream.h>

#include <array>
#include <string>

#include "net_world.h"

namespace sluice::net {
namespace {

class Noted final : public StreamObserver {
 public:
  void on_received() noexcept override { ++received; }
  void on_hung_up() noexcept override { ++hung_up; }
  int received = 0;
  int hung_up = 0;
};

class StreamTest : public NetWorld {
 protected:
  StreamTest() {
    serve(a());
    stream_.emplace(ring_, dial_now(), Side::kUpstream);
  }
  ~StreamTest() override {
    io::start_detached(close());
    EXPECT_TRUE(run_until([this] { return is_closed_; }));
    EXPECT_TRUE(world_.run_for(ring_, milliseconds(1)));
    EXPECT_EQ(world_.files().open_count(), 1u);
    EXPECT_EQ(ring_.ops_in_flight(), 1u);
    EXPECT_EQ(ring_.buffers().in_use(), 0u);
  }
  Task<void> close() {
    co_await stream_->close();
    is_closed_ = true;
  }
  support::SimPeer& peer() { return *peers_[0]; }
  bool await(io::Event& event) {
    return run_until([&event] { return event.is_ready(); });
  }

  std::optional<Stream> stream_;
  bool is_closed_ = false;
};

TEST_F(StreamTest, slices_leave_as_one_text_in_order) {
  const std::array<std::string_view, 4> slices = {"one ", "", "two ", "three"};
  stream_->start_send(slices);
  EXPECT_TRUE(stream_->is_sending());
  ASSERT_TRUE(await(stream_->sent()));
  EXPECT_TRUE(stream_->take_sent().has_value());
  EXPECT_EQ(stream_->bytes_sent(), 13u);
  ASSERT_TRUE(run_until([&] { return peer().received().size() == 13; }));
  EXPECT_EQ(peer().received(), "one two three");
}

TEST_F(StreamTest, the_peer_has_an_address_until_it_resets) {
  EXPECT_EQ(stream_->peer_ip(), a().ip());
  peer().reset();
  EXPECT_EQ(stream_->peer_ip(), std::nullopt);
}

// Method: every send ends short, again and again, at any byte.
TEST_F(StreamTest, a_short_send_goes_on_where_it_ended) {
  world_.faults().short_send = 1000;
  std::string text;
  for (int i = 0; i < 400; ++i) text += std::to_string(i) + ",";
  std::array<std::string_view, Stream::kSlicesMax> slices;
  for (size_t i = 0; i < slices.size(); ++i) slices[i] = std::string_view(text).substr(i * 40, 40);
  stream_->start_send(slices);
  ASSERT_TRUE(await(stream_->sent()));
  EXPECT_TRUE(stream_->take_sent().has_value());
  const size_t length = slices.size() * 40;
  ASSERT_TRUE(run_until([&] { return peer().received().size() >= length; }));
  EXPECT_EQ(peer().received(), text.substr(0, length));
}

TEST_F(StreamTest, an_empty_buffer_is_the_orderly_end) {
  peer().send("last");
  peer().finish();
  stream_->start_receive();
  ASSERT_TRUE(await(stream_->received()));
  EXPECT_EQ(stream_->take_received().value().bytes(), "last");
  stream_->start_receive();
  ASSERT_TRUE(await(stream_->received()));
  EXPECT_TRUE(stream_->take_received().value().is_empty());
}

TEST_F(StreamTest, a_reset_is_an_error_of_its_side) {
  stream_->start_receive();
  peer().reset();
  ASSERT_TRUE(await(stream_->received()));
  const Result<io::Buffer> received = stream_->take_received();
  ASSERT_FALSE(received.has_value());
  EXPECT_EQ(received.error().code, ErrorCode::kUpstreamLost);
  EXPECT_EQ(received.error().retry, Retry::kIfReused);
}

TEST_F(StreamTest, starting_twice_receives_once) {
  stream_->start_receive();
  stream_->start_receive();
  peer().send("x");
  ASSERT_TRUE(await(stream_->received()));
  stream_->start_receive();  // Not taken yet: nothing happens.
  EXPECT_FALSE(stream_->is_receiving());
  EXPECT_EQ(stream_->take_received().value().bytes(), "x");
}

TEST_F(StreamTest, bytes_go_into_the_callers_memory) {
  std::array<char, 8> memory{};
  stream_->start_receive_into(memory.data(), 4);
  peer().send("abcdef");
  ASSERT_TRUE(await(stream_->received()));
  EXPECT_EQ(stream_->take_received_count().value(), 4u);
  EXPECT_EQ(std::string_view(memory.data(), 5), std::string_view("abcd\0", 5));
  stream_->start_receive_into(memory.data(), 4);
  ASSERT_TRUE(await(stream_->received()));
  EXPECT_EQ(stream_->take_received_count().value(), 2u);
}

TEST_F(StreamTest, a_stopped_receive_ends) {
  std::array<char, 8> memory{};
  stream_->start_receive_into(memory.data(), 8);
  ASSERT_TRUE(world_.run_for(ring_, milliseconds(1)));
  stream_->stop_receiving();
  ASSERT_TRUE(await(stream_->received()));
  EXPECT_EQ(stream_->take_received_count().error().code, ErrorCode::kCancelled);
}

TEST_F(StreamTest, observers_are_told_of_bytes_and_of_a_hangup) {
  Noted noted;
  stream_->set_observer(&noted);
  stream_->start_receive();
  stream_->start_hangup_watch();
  peer().send("x");
  ASSERT_TRUE(run_until([&] { return noted.received == 1; }));
  EXPECT_EQ(noted.hung_up, 0);
  peer().close();
  ASSERT_TRUE(run_until([&] { return noted.hung_up == 1; }));
  EXPECT_TRUE(stream_->hung_up().is_ready());
  stream_->set_observer(nullptr);
}

TEST_F(StreamTest, shut_down_ends_what_is_in_flight_and_tells_the_peer) {
  const std::string much(1'000'000, 'x');
  const std::string_view slice = much;
  peer().stall_reading();
  stream_->start_send({&slice, 1});
  stream_->start_receive();
  ASSERT_TRUE(world_.run_for(ring_, milliseconds(1)));
  EXPECT_TRUE(stream_->is_sending());
  stream_->shut_down();
  stream_->shut_down();
  EXPECT_TRUE(stream_->is_shut_down());
  ASSERT_TRUE(await(stream_->sent()));
  ASSERT_TRUE(await(stream_->received()));
  EXPECT_FALSE(stream_->take_sent().has_value());
  (void)stream_->take_received();
  peer().resume_reading();
  ASSERT_TRUE(run_until([&] { return peer().saw_end() || peer().saw_reset(); }));
}

TEST_F(StreamTest, close_waits_for_everything_in_flight) {
  // The fixture closes the stream after this function: its bytes must live until then.
  static const std::string much(1'000'000, 'x');
  const std::string_view slice = much;
  peer().stall_reading();
  stream_->start_send({&slice, 1});
  stream_->start_receive();
  stream_->start_hangup_watch();
  ASSERT_TRUE(world_.run_for(ring_, milliseconds(1)));
  EXPECT_FALSE(stream_->is_quiet());
}  // The destructor closes, and looks at what is left.

TEST_F(StreamTest, acknowledged_bytes_are_those_that_arrived) {
  const std::string much(200'000, 'x');
  const std::string_view slice = much;
  peer().stall_reading();
  stream_->start_send({&slice, 1});
  ASSERT_TRUE(world_.run_for(ring_, milliseconds(5)));
  EXPECT_EQ(stream_->bytes_acknowledged(), 64u * 1024);
  peer().resume_reading();
  ASSERT_TRUE(await(stream_->sent()));
  EXPECT_TRUE(stream_->take_sent().has_value());
}

}  // namespace
}  // namespace sluice::net
