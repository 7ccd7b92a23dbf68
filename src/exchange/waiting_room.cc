#include <sluice/exchange/waiting_room.h>

#include <algorithm>

#include <sluice/exchange/generation.h>

namespace sluice::exchange {

InLine::InLine(io::ReadyQueue& ready, Generation& request_generation,
               ModelId request_model) noexcept
    : generation(request_generation), model(request_model), served(ready) {}

template <class Visit>
void InLine::for_each_bank(Visit visit) const {
  switch (lacks) {
    case Lacks::kProcessPlace: visit(*generation.places.process); return;
    case Lacks::kModelPlace: visit(*generation.model_places(model)); return;
    case Lacks::kDeploymentPlace: break;
  }
  const config::Model& configured = generation.config.model(model);
  candidates.for_each([&](uint32_t index) {
    visit(*generation.deployment_places(configured.routes[index].upstream));
  });
}

bool InLine::wants(const PlaceBank& bank) const {
  bool is_wanted = false;
  for_each_bank([&](const PlaceBank& one) { is_wanted = is_wanted || &one == &bank; });
  return is_wanted;
}

void WaitingRoom::join(InLine& waiting) {
  enter(waiting);
  // After the publishing: a place that was given back before it is seen here, one after it is
  // handed over (see PlaceBank).
  waiting.for_each_bank([&](PlaceBank& bank) {
    if (waiting.is_in_line && bank.try_take()) serve(limit::Place(bank, waker_));
  });
}

void WaitingRoom::leave(InLine& waiting) {
  if (!waiting.is_in_line) return;
  waiting.generation.flows[waiting.model.value]->queue.remove(waiting);
  exit(waiting);
}

void WaitingRoom::distribute() {
  for (const auto& [bank, count] : wanted_) {
    while (bank->take_handed(shard_)) serve(limit::Place(*bank, waker_));
  }
}

// Dropping the place hands it to the shard that waits next, which is not this one: it has published
// that nobody here wants it.
void WaitingRoom::serve(limit::Place place) {
  InLine* next = take_next(*place.bank());
  if (next == nullptr) return;
  next->place = std::move(place);
  next->served.trigger();
}

InLine* WaitingRoom::take_next(const PlaceBank& bank) {
  std::ranges::sort(flows_, {}, [](const ModelFlow* flow) { return flow->queue.oldest(); });
  for (ModelFlow* flow : flows_) {
    if (InLine* next = take_next(*flow, bank)) {
      exit(*next);
      return next;
    }
  }
  return nullptr;
}

InLine* WaitingRoom::take_next(ModelFlow& flow, const PlaceBank& bank) {
  const auto can_use = [&bank](const limit::Waiting& one) {
    return static_cast<const InLine&>(one).wants(bank);
  };
  return static_cast<InLine*>(flow.queue.take_next(can_use));
}

void WaitingRoom::enter(InLine& waiting) {
  ModelFlow& flow = *waiting.generation.flows[waiting.model.value];
  if (flow.queue.size() == 0) flows_.push_back(&flow);
  flow.queue.add(waiting);
  flow.cells.queue_length.add();
  waiting.is_in_line = true;
  waiting.for_each_bank([&](PlaceBank& bank) {
    ++wanted_[&bank];
    publish(bank);
  });
}

// Behind its removal from the queue.
void WaitingRoom::exit(InLine& waiting) {
  ModelFlow& flow = *waiting.generation.flows[waiting.model.value];
  if (flow.queue.size() == 0) std::erase(flows_, &flow);
  flow.cells.queue_length.sub();
  waiting.is_in_line = false;
  waiting.for_each_bank([&](PlaceBank& bank) {
    --wanted_[&bank];
    publish(bank);
  });
}

// Those that would be served next stand for those that want this bank: near enough to choose among
// shards, and never silent while somebody wants it. Not the oldest of all: a tenant that floods one
// shard has the oldest ones there, and would draw the places of all tenants to it.
void WaitingRoom::publish(PlaceBank& bank) {
  MonoTime since = MonoTime::max();
  if (wanted_[&bank] > 0) {
    for (ModelFlow* flow : flows_) since = std::min(since, flow->queue.next_since());
  }
  bank.publish_wait(shard_, since);
}

}  // namespace sluice::exchange
