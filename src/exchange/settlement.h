// Phase 7: what an exchange leaves behind, written exactly once, however it ends.
#pragma once

#include <optional>
#include <string_view>

#include <sluice/exchange/endpoint.h>
#include <sluice/exchange/identity.h>
#include <sluice/exchange/services.h>
#include <sluice/limit/place.h>
#include <sluice/limit/rate_limiter.h>
#include <sluice/limit/wait_queue.h>
#include <sluice/metrics/labels.h>
#include <sluice/relay/relay.h>
#include <sluice/telemetry/access_record.h>
#include <sluice/usage/record.h>

#include "attempt.h"

namespace sluice::exchange {

// Collects what the phases find out and settles it in its destructor: metrics, the access record.
// Lives in the frame of Exchange::run(), so no path out of it can miss it or take it twice.
class Settlement {
 public:
  // `head` lives as long.
  Settlement(Services& services, Generation& generation, const http::RequestHead& head,
             http::ResponseSink& client, MonoTime began_at) noexcept;
  ~Settlement();
  Settlement(const Settlement&) = delete;
  Settlement& operator=(const Settlement&) = delete;

  // Phase 1. `client_request_id` is used when it is at most 128 characters of [A-Za-z0-9._-].
  void note_request(Endpoint endpoint, std::string_view client_request_id) noexcept;
  void note_client(const std::optional<Ipv6Bytes>& address) noexcept { record_.client = address; }
  [[nodiscard]] const std::optional<Ipv6Bytes>& client_address() const noexcept {
    return record_.client;
  }
  // What the limits of addresses were charged. It stays charged whatever becomes of the request:
  // whoever tries keys is whom they are for.
  [[nodiscard]] limit::Reservation& address_reservation() noexcept { return address_reservation_; }
  // Phase 2.
  void note_identity(const Identity& identity) noexcept;
  // Phase 3.
  void note_body() noexcept { body_read_at_ = services_.ring.now(); }
  void note_model(ModelId model, bool is_stream) noexcept;
  void note_priority(uint32_t priority) noexcept { record_.priority = priority; }
  // What the limits were charged, corrected when all is settled by what was used; given back if
  // nobody was reached. `demand` stands for what is not known then.
  [[nodiscard]] limit::Reservation& reservation() noexcept { return reservation_; }
  void note_demand(const limit::Demand& demand, uint64_t prompt_estimate) noexcept {
    demand_ = demand;
    prompt_estimate_ = prompt_estimate;
  }
  void note_limits(const limit::Decision& decision) noexcept;
  // Phases 4 and 5.
  // Of the process and of the model, held from the first attempt on until all is settled.
  [[nodiscard]] limit::Place& process_place() noexcept { return process_place_; }
  [[nodiscard]] limit::Place& model_place() noexcept { return model_place_; }
  // In `queue`, where the request was charged for `tokens`.
  void note_wait(Duration waited, limit::WaitQueue& queue, uint64_t tokens) noexcept;
  // `fresh` repeats the attempt before over a new connection.
  void begin_attempt(UpstreamId upstream, bool fresh) noexcept;
  void end_attempt(Attempt& attempt) noexcept;
  // Some server has got the request, or a part of it.
  void note_reached() noexcept { has_reached_ = true; }
  // Phase 6. `served` is the model that answers, which may be one that was fallen back to.
  void note_answer(const http::ResponseHead& head, bool is_event_stream, const config::Route& route,
                   ModelId served) noexcept;
  // Once for each attempt whose answer was relayed; the last one decides how the exchange ended.
  void note_relay(const relay::RelayResult& result) noexcept;
  void note_usage(const usage::Usage& usage) noexcept { usage_ = usage; }

  void note_upstream_traffic(net::Traffic traffic) noexcept;

  // Anywhere.
  void note_error(const Error& error) noexcept { error_ = error; }
  void note_status(uint16_t status) noexcept { record_.status = status; }
  // The key's metadata as on_auth has left it, a JSON object; "" when it left it alone.
  void keep_metadata(std::string metadata) noexcept { metadata_ = std::move(metadata); }
  [[nodiscard]] std::string_view metadata() const noexcept { return metadata_; }
  // Keeps what a script says to the client until it is said.
  [[nodiscard]] std::string_view keep_message(std::string message) noexcept {
    message_ = std::move(message);
    return message_;
  }

  // Known after note_identity(). Null and "" where nobody is known.
  [[nodiscard]] const Caller* caller() const noexcept { return caller_.get(); }
  [[nodiscard]] std::string_view key() const noexcept { return record_.key.view(); }
  [[nodiscard]] std::string_view tenant() const noexcept { return record_.tenant.view(); }

  // Known after note_request(); lives as long as this object.
  [[nodiscard]] std::string_view request_id() const noexcept { return record_.request_id.view(); }
  [[nodiscard]] uint16_t status() const noexcept { return record_.status; }
  [[nodiscard]] MonoTime began_at() const noexcept { return began_at_; }

 private:
  void settle_usage() noexcept;
  void settle_limits() noexcept;
  // What the journal is told at dispatch, and at the end.
  void record_spend(usage::SpendKind kind) noexcept;
  [[nodiscard]] usage::SpendRecord begin_spend(usage::SpendKind kind) const noexcept;
  void fill_spend(usage::SpendRecord& record) const noexcept;
  void learn() noexcept;
  void ask_on_response(Duration duration);
  [[nodiscard]] limit::Use used() const noexcept;
  void settle_metrics(Duration duration) noexcept;
  [[nodiscard]] bool client_has_left() const noexcept;

  Services& services_;
  Generation& generation_;
  const http::RequestHead& head_;
  http::ResponseSink& client_;
  MonoTime began_at_;
  MonoTime body_read_at_;
  MonoTime first_byte_at_ = MonoTime::max();
  Duration overhead_{};
  telemetry::AccessRecord record_;
  std::optional<Error> error_;
  usage::Usage usage_;
  ModelId model_;
  std::string message_;
  std::string metadata_;
  TenantId share_;    // Of whose places it took one.
  CallerPin caller_;  // What was charged refers to it, so it stands before the reservations.
  limit::Reservation address_reservation_;
  limit::Reservation reservation_;
  limit::Demand demand_;
  uint64_t prompt_estimate_ = 0;
  uint64_t spend_exchange_ = 0;  // Of the journal; 0 until it was told.
  limit::Place process_place_;
  limit::Place model_place_;
  const config::Route* route_ = nullptr;
  metrics::Phase phase_ = metrics::Phase::kRead;
  Duration waited_{};  // In line.
  limit::WaitQueue* queue_ = nullptr;
  uint64_t charged_tokens_ = 0;
  bool has_reached_ = false;
  bool is_forwarded_ = false;  // A model and its usage are expected.
};

// The error that a broken relay amounts to; empty for a whole one.
[[nodiscard]] std::optional<Error> error_of(relay::RelayEnd end) noexcept;

}  // namespace sluice::exchange
