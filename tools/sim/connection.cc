#include "connection.h"

#include <algorithm>

#include "pacer.h"
#include "small_answers.h"

namespace sluice::sim {
namespace {

constexpr http::HeadLimits kHeadLimits = {.head_bytes_max = 48 * 1024, .header_count_max = 128};
// A longer body is read to its end and refused.
constexpr uint64_t kBodyKeptMax = 64 * 1024 * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kShapePrefix = "x-sim-";
constexpr std::string_view kGarbage = "\x16\x03\x01\x02 this is not HTTP\r\n\r\n";

// What the tests ask of the simulation rather than of the simulated server.
bool is_own_question(std::string_view path) noexcept {
  return path.starts_with("/sim/") || path == "/healthz";
}

}  // namespace

Connection::Connection(Site& site, int fd)
    : site_(site), wire_(site.ring, fd), parser_(kHeadLimits) {}

Task<void> Connection::serve() {
  After after = After::kNext;
  if (site_.tls != nullptr && !co_await wire_.secure(*site_.tls)) after = After::kClose;
  while (after == After::kNext && co_await read_head()) {
    ShardFigures::add(site_.counts.requests);
    phase_ = "body";
    events_sent_ = 0;
    model_.clear();
    wire_.mark_start();
    after = co_await answer();
    if (after == After::kGone) note_abort(phase_);
    count_end(after);
    ShardFigures::add(site_.counts.requests_ended);
    wire_.set_manner({});
    wire_.consume(std::min(consumed_, wire_.input().size()));
  }
  if (after == After::kLinger) co_await wire_.linger();
  if (after == After::kReset) co_await wire_.reset();
  co_await wire_.close();
}

void Connection::count_begin() {
  is_counted_ = true;
  site_.figures.begin_request();
}

void Connection::count_end(After after) {
  if (holds_slot_) site_.slots.give_back();
  holds_slot_ = false;
  if (!is_counted_) return;
  is_counted_ = false;
  std::string outcome = "ok";
  if (after == After::kGone) {
    outcome = "left";
  } else if (ending_ == Ending::kDown) {
    outcome = "down";
  } else if (ending_ == Ending::kBusy) {
    outcome = "busy";
  } else if (after == After::kReset) {
    outcome = "reset";
  } else if (ending_ == Ending::kBroken) {
    outcome = "cut";
  } else if (status_ != 200) {
    outcome = "status " + std::to_string(status_);
  }
  site_.figures.end_request(parser_.head().path, model_, outcome);
}

void Connection::note_abort(std::string_view phase) {
  ShardFigures::add(site_.counts.aborted);
  site_.figures.add_abort({.path = std::string(parser_.head().path),
                           .model = model_,
                           .phase = phase,
                           .events_sent = events_sent_,
                           .last_sent = wire_.last_sent(),
                           .gone = wire_.gone_at()});
}

// --- reading ---------------------------------------------------------------------------------

Task<bool> Connection::read_head() {
  parser_.reset();
  consumed_ = 0;
  for (;;) {
    if (!wire_.input().empty()) {
      const http::ParseState state = parser_.parse(wire_.input());
      if (state == http::ParseState::kDone) co_return true;
      if (state == http::ParseState::kError) break;
    }
    const bool has_more = co_await wire_.receive();
    if (!has_more) co_return false;
  }
  keeps_alive_ = false;
  consumed_ = wire_.input().size();
  const After after = co_await send_error(parser_.error_status(), parser_.error().detail);
  if (after != After::kGone) co_await wire_.linger();
  co_return false;
}

void Connection::rebase_head(const char* from) noexcept {
  if (wire_.input().data() != from) parser_.head().rebase(from, wire_.input().data());
}

Task<bool> Connection::read_body() {
  const http::RequestHead& head = parser_.head();
  consumed_ = head.head_bytes;
  body_view_ = {};
  is_too_large_ = false;
  if (head.body.kind == http::BodyKind::kNone) co_return true;
  if (head.expect_continue && wire_.input().size() == head.head_bytes) {
    const std::array slices = {kContinue};
    const char* before = wire_.input().data();
    const bool is_sent = co_await wire_.send(slices);
    rebase_head(before);
    if (!is_sent) co_return false;
  }
  const bool is_read = head.body.kind == http::BodyKind::kLength ? co_await read_body_by_length()
                                                                 : co_await read_chunked_body();
  co_return is_read;
}

Task<bool> Connection::read_body_by_length() {
  const size_t head_bytes = parser_.head().head_bytes;
  uint64_t missing = parser_.head().body.length;
  is_too_large_ = missing > kBodyKeptMax;
  if (!is_too_large_) {
    const char* before = wire_.input().data();
    wire_.reserve(head_bytes + static_cast<size_t>(missing));
    rebase_head(before);
  }
  for (;;) {
    const size_t present = wire_.input().size() - head_bytes;
    if (present >= missing) break;
    if (is_too_large_) {
      wire_.cut_out(head_bytes, present);
      missing -= present;
    }
    const char* before = wire_.input().data();
    const bool has_more = co_await wire_.receive();
    rebase_head(before);
    if (!has_more) co_return false;
  }
  consumed_ = head_bytes + static_cast<size_t>(missing);
  body_view_ = wire_.input().substr(head_bytes, is_too_large_ ? 0 : static_cast<size_t>(missing));
  co_return true;
}

Task<bool> Connection::read_chunked_body() {
  const size_t head_bytes = parser_.head().head_bytes;
  http::ChunkedDecoder decoder(Side::kDownstream);
  body_.clear();
  for (;;) {
    const std::string_view bytes = wire_.input().substr(head_bytes);
    size_t at = 0;
    while (at < bytes.size() && !decoder.finished()) {
      const Result<std::string_view> payload = decoder.next(bytes, at);
      if (!payload) {
        keeps_alive_ = false;
        const After after = co_await send_error(400, payload.error().detail);
        if (after != After::kGone) co_await wire_.linger();
        co_return false;
      }
      is_too_large_ = is_too_large_ || body_.size() + payload->size() > kBodyKeptMax;
      if (!is_too_large_) body_ += *payload;
    }
    wire_.cut_out(head_bytes, at);
    if (decoder.finished()) break;
    const char* before = wire_.input().data();
    const bool has_more = co_await wire_.receive();
    rebase_head(before);
    if (!has_more) co_return false;
  }
  body_.reserve(body_.size() + json::EnvelopeReader::kPadding);
  body_view_ = body_;
  co_return true;
}

bool Connection::read_shape(std::string_view model) {
  shape_ = site_.standing().shape;
  if (!shape_.set_all(shape_of_model(model))) return false;
  for (const http::HeaderField field : parser_.head().headers) {
    if (field.id != http::HeaderName::kOther || field.name.size() <= kShapePrefix.size()) continue;
    const std::string_view prefix = field.name.substr(0, kShapePrefix.size());
    if (!http::equals_ignoring_case(prefix, kShapePrefix)) continue;
    std::string name(field.name.substr(kShapePrefix.size()));
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    if (!shape_.set(name, field.value)) return false;
  }
  shape_.settle(draw_);
  return true;
}

// --- answering -------------------------------------------------------------------------------

Task<Connection::After> Connection::answer() {
  const http::RequestHead& head = parser_.head();
  keeps_alive_ = head.keep_alive;
  consumed_ = head.head_bytes;
  shape_ = Shape{.ttft = {}, .tps = 0};
  ending_ = Ending::kWhole;
  draw_ = scatter(site_.draws++);
  const bool is_shaped = read_shape({});
  if (is_shaped && shape_.faults.has(Fault::kEarlyAnswer)) {
    keeps_alive_ = false;
    const bool has_status = shape_.faults.has(Fault::kStatus);
    const auto status =
        has_status ? static_cast<uint16_t>(shape_.faults.number(Fault::kStatus)) : uint16_t{413};
    const After after = co_await send_error(status, "answered before the body was read");
    co_return after == After::kGone ? after : After::kLinger;
  }
  const bool is_read = co_await read_body();
  // A wrong chunk has been answered already; then the client is not gone.
  if (!is_read) co_return wire_.gone_at() == MonoTime{} ? After::kClose : After::kGone;
  phase_ = "wait";
  arrived_ = site_.ring.now();
  const std::string_view path = head.path;
  if (site_.options.records && !is_own_question(path)) {
    site_.figures.keep_request(
        {std::string(wire_.input().substr(0, head.head_bytes)), std::string(body_view_)});
  }
  if (is_too_large_) {
    const After after = co_await send_error(413, "the body is longer than this server keeps");
    co_return after;
  }
  const bool is_get = head.method == http::Method::kGet || head.method == http::Method::kHead;
  if (!is_get && head.method != http::Method::kPost) {
    const After after = co_await send_error(405, "this server knows GET, HEAD and POST");
    co_return after;
  }
  if (site_.standing().is_down && !is_own_question(path)) {
    count_begin();
    ending_ = Ending::kDown;
    co_return After::kReset;
  }
  const After after = is_get ? co_await answer_get(path) : co_await answer_post(path);
  co_return after;
}

Task<Connection::After> Connection::answer_get(std::string_view path) {
  if (!is_own_question(path)) count_begin();
  const bool strikes = path == "/health" || path.starts_with("/v1/models");
  if (strikes) {
    const After struck = co_await strike_before_head();
    if (struck != After::kNext) co_return struck;
  }
  uint16_t status = 200;
  const uint16_t health = path == "/health" ? site_.standing().health : uint16_t{0};
  if (strikes && shape_.faults.has(Fault::kStatus)) {
    status = static_cast<uint16_t>(shape_.faults.number(Fault::kStatus));
  }
  if (health != 0) status = health;
  shape_.faults = {};  // What else breaks an answer is for models.
  body_out_.clear();
  if (status != 200) {
    render_status(body_out_, status);
  } else {
    render_found(path);
  }
  // An empty body goes the way of errors only here: every answer has one.
  const After after = body_out_.empty()
                          ? co_await send_error(404, "no such path or model here", {}, "not_found")
                          : co_await send_body(status, MonoTime{});
  co_return after;
}

void Connection::render_found(std::string_view path) {
  constexpr std::string_view kModel = "/v1/models/";
  if (path == "/healthz" || path == "/health") {
    body_out_ = R"({"status":"ok"})";
  } else if (path == "/v1/models") {
    render_models(body_out_, site_.options.models);
  } else if (path == "/sim/stats") {
    body_out_ = site_.figures.stats_json(wire_.now());
  } else if (path == "/sim/last") {
    body_out_ = site_.figures.last_request_json();
  } else if (path.starts_with(kModel)) {
    const std::string_view id = path.substr(kModel.size());
    for (const std::string& model : site_.options.models) {
      if (model == id) render_model(body_out_, id);
    }
  }
}

Task<Connection::After> Connection::change_standing() {
  shape_.faults = {};
  if (!site_.shared.change(body_view_)) {
    const After after = co_await send_error(400, "a setting is unknown or wrong; see README.md");
    co_return after;
  }
  site_.figures.forget_most();
  body_out_ = R"({"status":"ok"})";
  const After after = co_await send_body(200, MonoTime{});
  co_return after;
}

Task<Connection::After> Connection::answer_post(std::string_view path) {
  if (path == "/sim/shape") {
    const After after = co_await change_standing();
    co_return after;
  }
  count_begin();
  const bool is_embedding = path == "/v1/embeddings";
  Api api = Api::kChat;
  if (path == "/v1/completions") {
    api = Api::kCompletions;
  } else if (path == "/v1/responses") {
    api = Api::kResponses;
  } else if (path != "/v1/chat/completions" && !is_embedding) {
    const After after = co_await send_error(404, "no such path here", {}, "not_found");
    co_return after;
  }
  const auto fields = read_body_fields(site_.envelope, body_view_);
  if (!fields) {
    const After after = co_await send_error(400, fields.error().message, fields.error().param);
    co_return after;
  }
  model_ = fields->model;
  if (!read_shape(fields->model)) {
    const After after = co_await send_error(400, "this shape or fault is unknown; see README.md");
    co_return after;
  }
  const Faults& faults = shape_.faults;
  wire_.set_manner({faults.number(Fault::kSplit), faults.number(Fault::kSlow)});
  if (faults.has(Fault::kClose)) keeps_alive_ = false;
  const After struck = co_await strike_before_head();
  if (struck != After::kNext) co_return struck;
  if (faults.has(Fault::kStatus)) {
    const auto status = static_cast<uint16_t>(faults.number(Fault::kStatus));
    body_out_.clear();
    render_status(body_out_, status);
    const After after = co_await send_body(status, arrived_);
    co_return after;
  }
  const After after =
      is_embedding ? co_await answer_embeddings(*fields) : co_await answer_generation(api, *fields);
  co_return after;
}

Task<Connection::After> Connection::answer_embeddings(const BodyFields& fields) {
  // Made before anything waits: the fields are views of bytes that may move then.
  std::string vectors;
  render_embeddings(vectors, fields, !shape_.faults.has(Fault::kNoUsage));
  const After refused = co_await take_slot();
  if (refused != After::kNext || ending_ == Ending::kBusy) co_return refused;
  body_out_ = std::move(vectors);
  const After after = co_await send_body(200, arrived_ + shape_.ttft);
  co_return after;
}

Task<Connection::After> Connection::take_slot() {
  const Standing& standing = site_.standing();
  holds_slot_ = site_.slots.take(standing.slots);
  if (holds_slot_) co_return After::kNext;
  Slots::Waiter waiter(site_.ring.ready());
  if (!site_.slots.wait(waiter, standing.waiting)) {
    ending_ = Ending::kBusy;
    body_out_.clear();
    render_status(body_out_, standing.busy);
    const After after = co_await send_body(standing.busy, arrived_);
    co_return after;
  }
  const char* before = wire_.input().data();
  const bool is_there = co_await wire_.wait_for(waiter.granted);
  rebase_head(before);
  holds_slot_ = waiter.granted.is_ready();
  site_.slots.leave(waiter);
  if (!is_there) co_return After::kGone;
  arrived_ = wire_.now();
  co_return After::kNext;
}

Task<Connection::After> Connection::answer_generation(Api api, const BodyFields& fields) {
  const Birth birth = {site_.next_number++, site_.ring.clock().wall().unix_us / 1'000'000};
  // Before anything waits, as above.
  const Generation generation = generate(api, fields, shape_, site_.tape, birth);
  const bool streams = fields.stream;
  const After refused = co_await take_slot();
  if (refused != After::kNext || ending_ == Ending::kBusy) co_return refused;
  if (streams) {
    const After after = co_await stream_events(generation);
    co_return after;
  }
  body_out_.clear();
  render_answer(body_out_, generation);
  const Pacer pacer(arrived_, shape_.ttft, shape_.tps);
  const After after = co_await send_body(200, pacer.end(generation.text.count()));
  co_return after;
}

Task<Connection::After> Connection::strike_before_head() {
  const Faults& faults = shape_.faults;
  if (!faults.any()) co_return After::kNext;
  if (faults.has(Fault::kStall)) {
    phase_ = "stall";
    co_await wire_.wait_for_leave();
    co_return After::kGone;
  }
  ending_ = Ending::kBroken;
  if (faults.has(Fault::kCutBeforeHead)) co_return After::kClose;
  if (faults.has(Fault::kGarbage)) {
    const std::array slices = {kGarbage};
    const bool is_sent = co_await wire_.send(slices);
    co_return is_sent ? After::kClose : After::kGone;
  }
  ending_ = Ending::kWhole;
  co_return After::kNext;
}

}  // namespace sluice::sim
