// Requests that come early, in every cut.
#include "stage.h"

namespace sluice::sim {
namespace {

class Pipelining : public Stage {};

// Goal: a head that came with the request before it, without its body, meets a receive that is
// still armed. Method: the second body follows only after the first answer.
TEST_F(Pipelining, d065_a_head_that_came_early_waits_for_its_body) {
  for (const std::string fields :
       {"content-length: 13\r\n\r\n", "transfer-encoding: chunked\r\n\r\n"}) {
    const bool is_chunked = fields.starts_with("t");
    StageClient& c = client();
    const size_t asked = upstreams.size();
    if (asked == 0) serve(a());
    c.ask(
        "GET /livez HTTP/1.1\r\nhost: x\r\n\r\nPOST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n" +
        fields);
    c.reader.expect();
    ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == 1; }));
    ASSERT_TRUE(run_for(milliseconds(10)));
    c.send(is_chunked ? "d\r\n" : std::string(kUnary.substr(0, 4)));
    ASSERT_TRUE(run_for(milliseconds(10)));
    c.send(is_chunked ? std::string(kUnary) + "\r\n0\r\n\r\n" : std::string(kUnary.substr(4)));
    const size_t before = asked == 0 ? 0 : upstreams[0]->received().size();
    ASSERT_TRUE(run_until([&] {
      return !upstreams.empty() && upstreams[0]->received().substr(before).ends_with(kUnary);
    }));
    upstreams[0]->send(answer("{}"));
    ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == 2; }));
    EXPECT_EQ(c.reader.answers()[1].status, 200);
    c.close();
  }
  shard.expect_clean_end();
}

// Method: three requests as one text, cut in two at every byte.
TEST_F(Pipelining, d026_three_requests_cut_at_every_byte_are_answered_in_order) {
  const auto get = [](int number) {
    return "GET /livez HTTP/1.1\r\nhost: x\r\nx-request-id: n" + std::to_string(number) +
           "\r\n\r\n";
  };
  const std::string all = get(0) + get(1) + get(2);
  for (size_t cut = 1; cut < all.size(); ++cut) {
    StageClient& c = client();
    for (int i = 0; i < 3; ++i) c.reader.expect();
    c.send(all.substr(0, cut));
    c.send(all.substr(cut), microseconds(200));
    ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == 3; })) << cut;
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(c.reader.answers()[i].header("x-request-id"), "n" + std::to_string(i));
    }
    c.close();
  }
  shard.expect_clean_end();
}

}  // namespace
}  // namespace sluice::sim
