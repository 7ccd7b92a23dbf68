// The events of one streamed answer, one after the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "generation.h"

namespace sluice::sim {

// Goes through the events of `generation` once, in order. What is passed to the constructor must
// outlive it.
class EventScript {
 public:
  EventScript(const Generation& generation, const Shape& shape);

  [[nodiscard]] bool at_end() const noexcept { return part_ == parts_.size(); }
  // How many events have been rendered.
  [[nodiscard]] uint64_t position() const noexcept { return position_; }
  // The token that the next event carries, or waits for; the pacer knows when that is due.
  [[nodiscard]] uint64_t token() const noexcept;

  // Appends the next event with its blank line. With `t_ns`, its JSON ends in that member.
  void render_next(std::string& out, std::optional<uint64_t> t_ns);

 private:
  enum class Kind : uint8_t {
    // Of chat and completions.
    kRole,
    kPiece,
    kFinish,
    kUsage,
    kDone,
    // Of responses.
    kCreated,
    kInProgress,
    kItemAdded,
    kPartAdded,
    kDelta,
    kTextDone,
    kPartDone,
    kItemDone,
    kCompleted,
    // Faults.
    kBig,
    kError,
  };
  struct Part {
    Kind kind;
    uint64_t count;  // Events of this kind in a row, one per choice and token.
  };

  void add(Kind kind, uint64_t count = 1) {
    if (count > 0) parts_.push_back({kind, count});
  }
  void plan_chunks();
  void plan_response();
  void plan_error_event(uint64_t after);
  void append_event(std::string& out, Kind kind, uint64_t at, std::optional<uint64_t> t_ns);
  void append_chunk(std::string& out, Kind kind, uint64_t at);
  void append_choice(std::string& out, Kind kind, uint64_t token);
  void append_delta(std::string& out, Kind kind, uint64_t token);
  void append_response_event(std::string& out, Kind kind, uint64_t at);

  const Generation& generation_;
  const Shape& shape_;
  std::vector<Part> parts_;
  size_t part_ = 0;
  uint64_t in_part_ = 0;
  uint64_t position_ = 0;
};

// Replaces each LF by CR LF, for the crlf fault.
[[nodiscard]] std::string with_crlf(std::string_view events);

}  // namespace sluice::sim
