#include "client.h"

namespace sluice::sim {

void Client::on_connected() {
  if (plan_.leaves) {
    world().after(*plan_.leaves, [this] {
      if (!is_over()) leave();
    });
  }
  if (plan_.stall_for > Duration::zero()) stall();
  advance();
}

void Client::leave() {
  has_left_ = true;
  if (plan_.leaves_by_reset) {
    reset();
  } else {
    resume_reading();
    close();
  }
}

Asked Client::asked(size_t index) const {
  const std::vector<Answer>& answers = reader_.answers();
  return {.request = &plan_.requests[index],
          .answer = index < answers.size() ? &answers[index] : nullptr,
          .was_sent = index < sent_,
          .is_over = is_over()};
}

void Client::stall() {
  if (is_over()) return;
  stall_reading();
  world().after(plan_.stall_for, [this] {
    if (is_over()) return;
    resume_reading();
    world().after(plan_.stall_every, [this] { stall(); });
  });
}

void Client::advance() {
  if (reader_.complete_count() == plan_.requests.size()) {
    close();
    return;
  }
  while (begun_ < plan_.requests.size() && begun_ - reader_.complete_count() < plan_.depth) {
    const Request& request = plan_.requests[begun_++];
    if (request.think_time > Duration::zero()) {
      world().after(request.think_time, [this] { send_next(); });
    } else {
      send_next();
    }
  }
}

void Client::send_next() {
  if (is_over()) return;
  const Request& request = plan_.requests[sent_++];
  if (when_sent) when_sent(sent_ - 1);
  reader_.expect(request.is_head);
  send(request.head);
  if (!request.awaits_continue) {
    send(request.body);
    return;
  }
  awaiting_body_ = request.body;
  // As RFC 9110 10.1.1 has it: a client does not wait for ever.
  world().after(seconds(1), [this, body = request.body] { send_body(body); });
}

void Client::send_body(std::string body) {
  if (is_over() || awaiting_body_ != body) return;
  awaiting_body_.clear();
  send(std::move(body));
}

void Client::on_bytes(std::string_view bytes) {
  const size_t complete = reader_.complete_count();
  const uint32_t interim = reader_.interim_count();
  reader_.take(bytes);
  if (when_heard) {
    for (size_t i = complete; i < reader_.answers().size(); ++i) when_heard(i);
  }
  if (plan_.leaves_at && received().size() >= *plan_.leaves_at) return leave();
  if (reader_.interim_count() > interim) send_body(awaiting_body_);
  if (reader_.complete_count() > complete) {
    awaiting_body_.clear();  // Refused before its body was asked for.
    advance();
  }
}

void Client::on_ended() {
  reader_.end();
  close();
}

}  // namespace sluice::sim
