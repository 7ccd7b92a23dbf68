// The scripts of the operator at their places in the life of a request.
#pragma once

#include "phases.h"

namespace sluice::exchange {

// A script of the chain about one request. Lives in the frame of its exchange.
class ScriptDecider final : public auth::Decider {
 public:
  ScriptDecider(Services& services, Generation& generation, const http::RequestHead& head,
                std::string_view secret, Settlement& settlement) noexcept
      : services_(services),
        generation_(generation),
        head_(head),
        secret_(secret),
        settlement_(settlement) {}

  auth::Verdict decide(uint32_t source, const auth::FoundKey* so_far,
                       const auth::AnsweredKey** said) override;

 private:
  Services& services_;
  Generation& generation_;
  const http::RequestHead& head_;
  std::string_view secret_;
  Settlement& settlement_;
  std::unique_ptr<auth::AnsweredKey> said_;
};

// The fields that on_response wants in the access log, as a JSON object.
[[nodiscard]] std::string tell_on_response(Services& services, Generation& generation,
                                           const http::RequestHead& head, Settlement& settlement,
                                           const script::ResponseView& response);

}  // namespace sluice::exchange
