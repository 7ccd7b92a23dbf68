#include "pipeline.h"

#include <algorithm>
#include <utility>

namespace sluice::store {

bool Pipeline::add(Parcel parcel) {
  const size_t bytes = parcel.text.size();
  if (parcels_.size() >= RedisClient::kCommandsMost ||
      bytes_ + bytes > RedisClient::kCommandBytesMost) {
    return false;
  }
  bytes_ += bytes;
  parcels_.push_back({.parcel = std::move(parcel), .bytes = bytes});
  return true;
}

bool Pipeline::take_unsent(std::string& text) {
  text.clear();
  for (; sent_ < parcels_.size(); ++sent_) {
    text += std::exchange(parcels_[sent_].parcel.text, {});
    ++figures_.commands;
  }
  return !text.empty();
}

bool Pipeline::take_reply(RedisReply reply) {
  if (sent_ == 0) return false;
  Parcel& parcel = parcels_.front().parcel;
  if (parcel.preludes > 0) {
    --parcel.preludes;
    if (parcel.call != nullptr) {
      auto& prelude = parcel.call->slots[parcel.index].prelude;
      if (!prelude) prelude = std::move(reply);
    }
    return true;
  }
  if (parcel.call != nullptr) {
    parcel.call->settle(parcel.index, std::move(reply));
  } else {
    --overdue_;
  }
  bytes_ -= parcels_.front().bytes;
  parcels_.pop_front();
  --sent_;
  return true;
}

void Pipeline::withdraw(PendingCall& call) {
  for (size_t i = 0; i < parcels_.size(); ++i) {
    Parcel& parcel = parcels_[i].parcel;
    if (parcel.call != &call) continue;
    const bool is_sent = i < sent_;
    parcel.call = nullptr;
    if (is_sent) {
      ++overdue_;
      ++figures_.late;
    } else {
      bytes_ -= parcels_[i].bytes;
    }
    call.settle(parcel.index, fail(ErrorCode::kUpstreamTimeout, Side::kSelf, retry_of(is_sent),
                                   "Redis did not answer in time"));
  }
  const auto unsent = parcels_.begin() + static_cast<std::ptrdiff_t>(sent_);
  const auto kept = std::remove_if(unsent, parcels_.end(),
                                   [](const Entry& entry) { return entry.parcel.call == nullptr; });
  parcels_.erase(kept, parcels_.end());
}

void Pipeline::fail_all(ErrorCode code, std::string_view detail) {
  // Calls that end may add nothing here: they go on in a later turn.
  for (size_t i = 0; i < parcels_.size(); ++i) {
    const Parcel& parcel = parcels_[i].parcel;
    if (parcel.call == nullptr) continue;
    const bool is_sent = i < sent_;
    if (is_sent) ++figures_.lost;
    parcel.call->settle(parcel.index, fail(code, Side::kSelf, retry_of(is_sent), detail));
  }
  parcels_.clear();
  sent_ = bytes_ = overdue_ = 0;
}

}  // namespace sluice::store
