// A simulated client that speaks HTTP/2, by nghttp2's client side.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client.h"

struct nghttp2_session;

namespace sluice::sim {

// What HTTP/2 lets a client do beyond a ClientPlan.
struct Http2Plan {
  ClientPlan client;
  uint32_t window = 65'535;   // Of each stream, in bytes.
  Duration consumes_after{};  // How late it makes room for what it got.
  size_t upload_bytes = 0;    // Of a body at a time; 0 is all at once.
  Duration upload_pause{};    // Between two of them.
  // By request: resets the stream so long after it was begun.
  std::vector<std::optional<Duration>> resets;
  Duration pings_every{};    // Zero never pings.
  bool stays = false;        // Also with nothing left to ask: the test asks more.
  bool says_length = false;  // content-length goes along, as HTTP/2 allows.
  size_t padding = 0;        // Behind each piece of a body; at most 255.
};

class Http2Client final : public support::SimPeer, public Caller {
 public:
  Http2Client(support::SimWorld& world, Http2Plan plan);
  ~Http2Client() override;

  [[nodiscard]] size_t size() const override { return plan_.client.requests.size(); }
  [[nodiscard]] Asked asked(size_t index) const override;
  [[nodiscard]] bool has_gone() const override { return is_over(); }
  [[nodiscard]] const std::string& fault() const override { return fault_; }
  void leave() override;

  // Asks at once, beside the plan; its index. Without `ends` the body never does.
  size_t ask(Request request, bool ends = true);
  // Lets `bytes` of that answer come.
  void open_window(size_t index, int32_t bytes);
  [[nodiscard]] const std::string& body(size_t index) const { return streams_[index].answer.body; }
  [[nodiscard]] bool has_head(size_t index) const { return streams_[index].has_answer; }
  [[nodiscard]] bool is_whole(size_t index) const { return streams_[index].has_ended; }
  [[nodiscard]] size_t uploaded(size_t index) const { return streams_[index].uploaded; }
  // The stream was closed, by both ends or by a reset.
  [[nodiscard]] bool is_closed(size_t index) const { return streams_[index].is_over; }

 private:
  struct Stream {
    size_t index = 0;
    Answer answer;
    bool has_answer = false;
    bool was_sent = false;
    bool is_over = false;
    bool has_ended = false;   // By END_STREAM.
    bool never_ends = false;  // Its body.
    int32_t id = 0;
    size_t uploaded = 0;
    size_t may_upload = 0;
  };
  struct Callbacks;

  void on_connected() override;
  void on_bytes(std::string_view bytes) override;
  void on_ended() override { close(); }
  void advance();
  void send_request(size_t index);
  void upload_more(int32_t id);
  void consume(int32_t id, size_t count);
  void ping();
  void stall();
  void flush();
  void finish_if_done();

  Http2Plan plan_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, size_t> by_id_;  // Requests by their stream.
  std::vector<Stream> streams_;      // By request.
  std::string fault_;
  size_t begun_ = 0;
  size_t over_ = 0;
  bool is_refused_ = false;  // No new streams are served.
};

}  // namespace sluice::sim
