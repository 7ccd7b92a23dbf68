// Serves one client: a request, its answer, and so on until either side closes.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include <sluice/base/intrusive_list.h>
#include <sluice/http/chunked.h>
#include <sluice/http/request_parser.h>
#include <sluice/http/serializer.h>
#include <sluice/io/task.h>

#include "event_script.h"
#include "site.h"
#include "wire.h"

namespace sluice::sim {

// Lives on its shard, from accept to close.
class Connection : public ListLink {
 public:
  // `site` must outlive it. Takes over `fd`.
  Connection(Site& site, int fd);

  // Until the connection is closed. Suspends. Once.
  [[nodiscard]] Task<void> serve();
  void shut_down() noexcept { wire_.shut_down(); }

 private:
  // What becomes of the connection after an answer.
  enum class After : uint8_t {
    kNext,    // The next request may come.
    kClose,   // Nothing more will be read.
    kLinger,  // The same, with bytes of the client still to come.
    kGone,    // The client left before the answer was complete.
    kReset,   // Ends in a RST.
  };
  // How an answer came to its end, for the figures.
  enum class Ending : uint8_t {
    kWhole,
    kBroken,  // Cut short on purpose.
    kBusy,    // Refused: no slot was to be had.
    kDown,    // None: the server plays dead.
  };
  enum class Framing : uint8_t { kLength, kChunked, kUntilClose };
  struct Head {
    uint16_t status = 200;
    std::string_view content_type = "application/json";
    Framing framing = Framing::kLength;
    uint64_t length = 0;
  };

  // --- reading; false once the client is gone or must be
  Task<bool> read_head();
  Task<bool> read_body();
  Task<bool> read_chunked_body();
  Task<bool> read_body_by_length();
  void rebase_head(const char* from) noexcept;

  // --- answering
  Task<After> answer();
  Task<After> answer_post(std::string_view path);
  Task<After> answer_embeddings(const BodyFields& fields);
  Task<After> answer_get(std::string_view path);
  // Into body_out_, which stays empty when nothing is there.
  void render_found(std::string_view path);
  Task<After> change_standing();
  Task<After> answer_generation(Api api, const BodyFields& fields);
  Task<After> send_error(uint16_t status, std::string_view message, std::string_view param = {},
                         std::string_view code = {});
  // Sends body_out_ whole, paced to `due`.
  Task<After> send_body(uint16_t status, MonoTime due);
  Task<After> send_broken_body();
  Task<After> stream_events(const Generation& generation);

  // --- parts of a stream; each false once the client is gone
  Task<bool> flush(bool is_last);
  void append_event(EventScript& script);
  [[nodiscard]] bool ends_here(uint64_t position) const noexcept;
  Task<After> strike(EventScript& script);
  [[nodiscard]] uint64_t stream_bytes(const Generation& generation) const;

  // What needs no generation: stall, cut before the head, garbage, a status. kNext when none.
  Task<After> strike_before_head();
  // Until one of the server's slots is this request's; kNext then.
  Task<After> take_slot();
  void count_begin();
  void count_end(After after);
  [[nodiscard]] bool read_shape(std::string_view model);
  [[nodiscard]] After after_answer() noexcept;
  [[nodiscard]] std::string_view write_head(const Head& head) noexcept;
  void note_abort(std::string_view phase);

  Site& site_;
  Wire wire_;
  http::RequestParser parser_;
  Shape shape_;
  std::string body_;  // Only of a chunked request.
  std::string_view body_view_;
  size_t consumed_ = 0;  // Of the input, by the request at hand.
  bool is_too_large_ = false;
  bool keeps_alive_ = true;
  MonoTime arrived_;         // When the request was complete and, with slots, had one.
  uint64_t draw_ = 0;        // Decides what happens to some requests only.
  uint16_t status_ = 0;      // Of the answer's head.
  bool is_counted_ = false;  // A request for a model, for the figures.
  bool holds_slot_ = false;
  Ending ending_ = Ending::kWhole;
  uint64_t events_sent_ = 0;
  std::string_view phase_;
  std::string model_;
  std::string body_out_;
  // Of a stream: what is to be sent next.
  Framing framing_ = Framing::kChunked;
  std::string_view pending_head_;
  std::string pending_;
  std::array<char, 1024> head_bytes_;
};

}  // namespace sluice::sim
