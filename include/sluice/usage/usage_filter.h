// Hides the usage event that we asked for and the client did not.
#pragma once

#include <string_view>

#include <sluice/http/event_filter.h>
#include <sluice/json/field_reader.h>
#include <sluice/usage/plain_events.h>

namespace sluice::usage {

// Drops an event only when its payload has `choices: []` and an object as `usage`: any other event
// with a usage carries something that the client is to have. What cannot be read is kept.
//
// `reader` is the shard's; `plain` is shared with the stream's tap. Both must outlive it.
class UsageFilter final : public http::EventFilter {
 public:
  UsageFilter(json::FieldReader& reader, PlainEvents& plain) noexcept
      : reader_(&reader), plain_(&plain) {}

  Look look_at(std::string_view span) noexcept override;
  PlainChunks find_plain_chunks(std::string_view bytes, size_t begin) noexcept override {
    return plain_->find_chunks(bytes, begin);
  }
  bool keeps(std::string_view event) noexcept override;

 private:
  json::FieldReader* reader_;
  PlainEvents* plain_;
};

}  // namespace sluice::usage
