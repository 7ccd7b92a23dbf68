// Hides the usage event that we asked for and the client did not.
#pragma once

#include <string_view>

#include <sluice/http/event_filter.h>
#include <sluice/json/field_reader.h>

namespace sluice::usage {

// Drops an event only when its payload has `choices: []` and an object as `usage`: any other event
// with a usage carries something that the client is to have. What cannot be read is kept.
//
// `reader` is the shard's and must outlive it.
class UsageFilter final : public http::EventFilter {
 public:
  explicit UsageFilter(json::FieldReader& reader) noexcept : reader_(&reader) {}

  bool may_drop_within(std::string_view span) noexcept override;
  bool keeps(std::string_view event) noexcept override;

 private:
  json::FieldReader* reader_;
};

}  // namespace sluice::usage
