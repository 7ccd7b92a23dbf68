// Tells the limits what a stream uses while it runs.
#pragma once

#include <sluice/http/event_tap.h>
#include <sluice/io/ring.h>
#include <sluice/limit/rate_limiter.h>
#include <sluice/usage/token_tap.h>

namespace sluice::exchange {

// Before the stream's own count of tokens is known, each event with content stands for one; what is
// reported at its end corrects that. Looks on through the TokenTap that it wraps. Lives in the
// frame of the relay.
class LimitTap final : public http::EventTap {
 public:
  // The reservation outlives it. `input_tokens` and the price of an output token stand for what
  // only the end of the stream will tell.
  LimitTap(usage::TokenTap& tap, limit::RateLimiter& limiter, limit::Reservation& reservation,
           io::Ring& ring, limit::Use begun, double micro_dollars_per_token) noexcept
      : tap_(tap),
        limiter_(limiter),
        reservation_(reservation),
        ring_(ring),
        begun_(begun),
        micro_dollars_per_token_(micro_dollars_per_token) {}

  void on_span(std::string_view span) noexcept override {
    tap_.on_span(span);
    advance();
  }
  void on_plain_events(uint32_t count) noexcept override {
    tap_.on_plain_events(count);
    advance();
  }
  void on_end() noexcept override { tap_.on_end(); }
  [[nodiscard]] bool has_content() const noexcept override { return tap_.has_content(); }
  [[nodiscard]] bool must_end() const noexcept override { return must_end_; }

 private:
  // Events between two looks at the limits: what a stream may use beyond one before it is seen.
  static constexpr uint64_t kStep = 32;

  void advance() noexcept {
    const uint64_t events = tap_.content_events();
    if (events < next_) return;
    next_ = events + kStep;
    limit::Use use = begun_;
    use.output_tokens = static_cast<int64_t>(events);
    use.micro_dollars +=
        static_cast<int64_t>(static_cast<double>(events) * micro_dollars_per_token_);
    must_end_ = must_end_ || limiter_.advance(reservation_, use, ring_.now());
  }

  usage::TokenTap& tap_;
  limit::RateLimiter& limiter_;
  limit::Reservation& reservation_;
  io::Ring& ring_;
  limit::Use begun_;
  double micro_dollars_per_token_;
  uint64_t next_ = kStep;
  bool must_end_ = false;
};

}  // namespace sluice::exchange
