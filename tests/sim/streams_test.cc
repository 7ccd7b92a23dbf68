// Event streams at the edges of the relay's memory.
#include "stage.h"

namespace sluice::sim {
namespace {

class Streams : public Stage {};

// Goal: a receive buffer that a send still reads is not given back when streams are cut. Method:
// one buffer of so many chunks that the relay stops in its middle, a client that takes none of it,
// and another whose bytes would fill the buffer next.
TEST_F(Streams, d124_bytes_on_their_way_stay_what_they_are_when_streams_are_cut) {
  serve(a());
  StageClient& other = client();
  other.ask("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
  ASSERT_TRUE(run_for(milliseconds(1)));
  shard.world().set_peer_window(1024);
  StageClient& c = client();
  c.ask(post(kStream));
  ASSERT_TRUE(run_until_asked());
  upstreams[0]->send(std::string(kStreamHead));
  ASSERT_TRUE(run_until([&] { return !c.received().empty(); }));
  c.stall_reading();
  std::string payload, bytes;
  for (int i = 0; i < 4; ++i) payload += "data: " + std::string(1200, 'b') + "\n\n";
  for (size_t at = 0; at < payload.size(); at += 1208) bytes += chunk(payload.substr(at, 1208));
  while (bytes.size() < 16'000) {
    payload += "data: small\n\n";
    bytes += chunk("data: small\n\n");
  }
  upstreams[0]->send(bytes);
  ASSERT_TRUE(run_for(milliseconds(1)));
  shard.begin_drain();
  shard.cut_streams();
  // The other's exchange is cut too, but its connection lingers for a while and takes bytes in.
  for (int i = 0; i < 100; ++i) other.send(chunk(std::string(12'000, 'Z')), milliseconds(i));
  ASSERT_TRUE(run_for(milliseconds(200)));
  c.resume_reading();
  ASSERT_TRUE(run_until([&] { return c.is_over(); }));
  ASSERT_EQ(c.reader.fault(), "");
  const std::string& body = c.reader.answers()[0].body;
  const size_t end = body.find("data: {\"error\"");
  EXPECT_TRUE(payload.starts_with(body.substr(0, end)));
  EXPECT_GT(body.size(), 4 * 1208u);
  EXPECT_EQ(body.find('Z'), std::string::npos);
  other.reset();
  shard.expect_clean_end();
}

// Goal: a stream whose next token is long in coming holds no receive buffer, also before the first.
TEST_F(Streams, d020_a_stream_that_waits_pins_no_receive_buffer) {
  serve(a());
  StageClient& c = client();
  c.ask(post(kStream));
  ASSERT_TRUE(run_until_asked());
  for (const std::string& bytes : {std::string(kStreamHead), chunk(kEvent)}) {
    upstreams[0]->send(bytes);
    ASSERT_TRUE(run_for(milliseconds(1)));
    ASSERT_FALSE(c.received().empty());
    EXPECT_EQ(shard.ring().buffers().in_use(), 0u);
  }
  upstreams[0]->send("0\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == 1; }));
  c.close();
  shard.expect_clean_end();
}

// Goal: requests that wait for their answers do not take all receive buffers, which would stop the
// shard for good. Method: far more of them than there are buffers.
class FewBuffers : public Stage {
 protected:
  FewBuffers() : Stage(ShardOptions{.buffers = {.hot = 64, .most = 64}}) {}
};

TEST_F(FewBuffers, d020_more_requests_wait_than_there_are_buffers) {
  constexpr size_t kRequests = 200;
  serve(a());
  std::vector<StageClient*> clients;
  for (size_t i = 0; i < kRequests; ++i) {
    clients.push_back(&client());
    clients.back()->ask(post(kUnary));
  }
  ASSERT_TRUE(run_until([&] { return upstreams.size() == kRequests; }));
  ASSERT_TRUE(run_for(milliseconds(5)));
  EXPECT_LE(shard.ring().buffers().in_use(), 33u);
  for (auto* upstream : upstreams) upstream->send(answer("{}"));
  for (StageClient* each : clients) {
    EXPECT_TRUE(run_until([&] { return each->reader.complete_count() == 1; }));
    each->close();
  }
  shard.expect_clean_end();
}

// Goal: nobody's bytes wait longer than needed. Method: each event is looked for at the client
// before the next one is sent, with the usage filter in between.
TEST_F(Streams, d025_an_event_leaves_in_the_turn_in_which_it_came) {
  serve(a());
  StageClient& c = client();
  c.ask(post(kStream));
  ASSERT_TRUE(run_until_asked());
  upstreams[0]->send(std::string(kStreamHead));
  size_t expected = 0;
  for (int i = 0; i < 20; ++i) {
    upstreams[0]->send(chunk(kEvent));
    ASSERT_TRUE(run_for(milliseconds(1)));
    expected += kEvent.size();
    ASSERT_EQ(c.reader.answers()[0].body.size(), expected) << i;
  }
  upstreams[0]->send("0\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == 1; }));
  // The connection stands where it should: it serves again.
  c.ask(post(kUnary));
  const size_t before = upstreams[0]->received().size();
  ASSERT_TRUE(run_until([&] { return upstreams[0]->received().size() > before; }));
  upstreams[0]->send(answer("{}"));
  ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == 2; }));
  EXPECT_EQ(upstreams.size(), 1u);
  c.close();
  shard.expect_clean_end();
}

}  // namespace
}  // namespace sluice::sim
