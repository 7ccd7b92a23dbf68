// The bytes of every request of a run.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/body_template.h"
#include "plan/settings.h"
#include "plan/trace.h"

namespace sluice::load {

struct Request {
  std::string_view bytes;  // Head and body.
  uint32_t part = 0;       // Into Workload::parts().
  uint64_t leave_at = 0;   // The event at which the client leaves; 0 is never.
};

// Which request has which model, key and length depends on its number and the seed alone, so two
// runs send the same. What is small enough is rendered once and only pointed to.
class Workload {
 public:
  // `settings` must outlive it; `trace` may be empty. The error is a sentence.
  [[nodiscard]] static std::expected<Workload, std::string> make(const Settings& settings,
                                                                 std::optional<Trace> trace);

  // The request of number `index`. Its bytes live as long as `scratch` is not changed.
  [[nodiscard]] Request request(uint64_t index, std::string& scratch) const;

  // Names of what figures are kept apart for: "tenant model", the tenant only when there are any.
  [[nodiscard]] const std::vector<std::string>& parts() const noexcept { return parts_; }
  // When the trace's record of this number is due; empty after the last. Only with a trace.
  [[nodiscard]] std::optional<Duration> due(uint64_t index) const noexcept;
  [[nodiscard]] bool has_trace() const noexcept { return trace_.has_value(); }

 private:
  // Beyond it requests are rendered as they are sent.
  static constexpr size_t kPreparedBytesMax = 64 * 1024 * 1024;

  struct Choice {
    uint32_t tenant = 0;
    uint32_t key = 0;  // Into keys_.
    uint32_t model = 0;
    uint32_t size = 0;
  };

  explicit Workload(const Settings& settings, std::optional<Trace> trace);
  [[nodiscard]] std::string prepare();
  [[nodiscard]] Choice choose(uint64_t index) const noexcept;
  void render(const Choice& choice, std::string& out) const;
  void render_record(uint64_t index, const Choice& choice, std::string& out) const;
  void append_body(std::string_view model, std::string_view prompt, uint64_t answer_tokens,
                   std::string& out) const;

  const Settings& settings_;
  std::optional<Trace> trace_;
  BodyTemplate body_;
  std::vector<std::string> keys_;
  std::vector<uint32_t> first_keys_;  // Of each tenant, into keys_; one more at the end.
  std::vector<std::string> heads_;    // Of each key: all up to the length.
  std::vector<double> tenant_sums_;   // Weights added up, for choosing.
  std::vector<double> model_sums_;
  std::vector<double> size_sums_;
  std::vector<std::string> parts_;
  std::vector<std::string> prepared_;  // By key, model and size; empty when too much.
};

}  // namespace sluice::load
