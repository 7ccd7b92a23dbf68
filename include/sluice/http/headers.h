// Header fields as views into the head they came in: known names, lists, hop-by-hop rules.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sluice/base/assert.h>

namespace sluice::http {

// The fields that the gateway looks at. Every other one is kOther and is found by its text.
enum class HeaderName : uint8_t {
  kOther,
  kAccept,
  kAcceptEncoding,
  kApiKey,
  kAuthorization,
  kCacheControl,
  kConnection,
  kContentEncoding,
  kContentLength,
  kContentType,
  kCookie,
  kDate,
  kExpect,
  kForwarded,
  kHost,
  kIdempotencyKey,
  kKeepAlive,
  kLocation,
  kProxyAuthenticate,
  kProxyAuthenticationInfo,
  kProxyAuthorization,
  kProxyConnection,
  kRetryAfter,
  kServer,
  kSetCookie,
  kTe,
  kTraceparent,
  kTracestate,
  kTrailer,
  kTransferEncoding,
  kUpgrade,
  kUserAgent,
  kVia,
  kXApiKey,
  kXForwardedFor,
  kXRealIp,
  kXRequestId,
  kXSluicePriority,
  kXSluiceTags,
  kXSluiceTimeout,
  kXTraceId,
};
inline constexpr size_t kHeaderNameCount = static_cast<size_t>(HeaderName::kXTraceId) + 1;
static_assert(kHeaderNameCount <= 64, "HeaderList keeps one bit per known name");

// The known name equal to `text` but for case, else kOther.
[[nodiscard]] HeaderName header_name(std::string_view text) noexcept;
// The lower-case text of a known name; empty for kOther.
[[nodiscard]] std::string_view to_string(HeaderName name) noexcept;

struct HeaderField {
  std::string_view name;   // As the peer wrote it.
  std::string_view value;  // Without the white space around it.
  HeaderName id = HeaderName::kOther;
};

// The fields of one head in their order.
//
// Holds offsets into the head, ten bytes a field, so that a connection can afford one and a head
// that moves takes its list along with rebase(). It has them for the first fields only, which are
// all that most heads have: those behind them are read again from their lines, each time. All views
// die with the head's bytes.
class HeaderList {
 public:
  static constexpr size_t kCapacity = 128;
  static constexpr size_t kPlaces = 24;             // Fields whose places are kept.
  static constexpr size_t kOffsetMax = UINT16_MAX;  // No byte of a head lies beyond it.

  class Iterator {
   public:
    Iterator(const HeaderList* list, size_t index) noexcept : list_(list), index_(index) {}
    HeaderField operator*() const noexcept {
      return index_ < kPlaces ? list_->placed(index_) : read_line(line_);
    }
    Iterator& operator++() noexcept {
      if (++index_ >= kPlaces && index_ < list_->count_) [[unlikely]] {
        line_ = index_ == kPlaces ? list_->line_behind_places() : next_line(line_);
      }
      return *this;
    }
    bool operator==(const Iterator& other) const noexcept { return index_ == other.index_; }

   private:
    friend class HeaderList;
    const HeaderList* list_;
    size_t index_;
    const char* line_ = nullptr;  // Of a field whose place is not kept.
  };

  [[nodiscard]] size_t size() const noexcept { return count_; }
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] Iterator begin() const noexcept { return {this, 0}; }
  [[nodiscard]] Iterator end() const noexcept { return {this, count_}; }

  [[nodiscard]] bool has(HeaderName id) const noexcept { return (seen_ & bit(id)) != 0; }
  // The value of the first such field; a null view when there is none (an empty value is not null).
  [[nodiscard]] std::string_view find(HeaderName id) const noexcept;
  // The same by text, ignoring case.
  [[nodiscard]] std::string_view find(std::string_view name) const noexcept;
  [[nodiscard]] size_t count(HeaderName id) const noexcept;
  // Whether the field stands there twice or more. Not for kOther.
  [[nodiscard]] bool repeats(HeaderName id) const noexcept { return (repeated_ & bit(id)) != 0; }

  // Behind the last field's line of a head of `head_bytes`: where its empty line begins.
  [[nodiscard]] const char* lines_end(size_t head_bytes) const noexcept {
    return base_ + head_bytes - 2;
  }

  // Says that the head's bytes stand at `base` now.
  void rebase(const char* base) noexcept { base_ = base; }

  // For the parsers. False when the list is full.
  [[nodiscard]] bool append(size_t name_at, size_t name_bytes, size_t value_at, size_t value_bytes,
                            HeaderName id) noexcept {
    if (count_ == kCapacity) return false;
    SLUICE_ASSERT(name_at + name_bytes <= kOffsetMax && value_at + value_bytes <= kOffsetMax);
    if (count_ < kPlaces) {
      places_[count_] = {static_cast<uint16_t>(name_at), static_cast<uint16_t>(name_bytes),
                         static_cast<uint16_t>(value_at), static_cast<uint16_t>(value_bytes), id};
    }
    ++count_;
    repeated_ |= seen_ & bit(id);
    seen_ |= bit(id);
    return true;
  }
  void clear() noexcept {
    count_ = 0;
    seen_ = 0;
    repeated_ = 0;
  }

 private:
  struct Place {
    uint16_t name_at;
    uint16_t name_bytes;
    uint16_t value_at;
    uint16_t value_bytes;
    HeaderName id;
  };
  static constexpr uint64_t bit(HeaderName id) noexcept {
    return uint64_t{1} << static_cast<uint8_t>(id);
  }

  [[nodiscard]] HeaderField placed(size_t index) const noexcept {
    const Place& place = places_[index];
    return {{base_ + place.name_at, place.name_bytes},
            {base_ + place.value_at, place.value_bytes},
            place.id};
  }
  // The fields whose places are not kept.
  [[nodiscard]] Iterator begin_of_rest() const noexcept;
  // Apart, so that find() needs no stack.
  [[nodiscard, gnu::noinline]] std::string_view find_in_rest(HeaderName id) const noexcept;
  // Where the line begins that follows the last field whose place is kept; there must be one.
  [[nodiscard]] const char* line_behind_places() const noexcept;
  // Of lines that were found good by a parser.
  [[nodiscard]] static const char* next_line(const char* within) noexcept;
  [[nodiscard]] static HeaderField read_line(const char* line) noexcept;

  const char* base_ = "";
  uint64_t seen_ = 0;  // One bit per name.
  uint64_t repeated_ = 0;
  size_t count_ = 0;
  std::array<Place, kPlaces> places_;  // Only the first `count_` are ever read.
};

// What the Connection fields of one head say. Made where fields are forwarded; `headers` must
// outlive it.
class ConnectionOptions {
 public:
  explicit ConnectionOptions(const HeaderList& headers) noexcept;

  [[nodiscard]] bool close() const noexcept { return close_; }
  [[nodiscard]] bool keep_alive() const noexcept { return keep_alive_; }
  // Whether the field is named in a Connection field.
  [[nodiscard]] bool names(std::string_view field_name) const noexcept;

 private:
  void note(std::string_view value) noexcept;

  const HeaderList& headers_;
  bool close_ = false;
  bool keep_alive_ = false;
  bool names_fields_ = false;  // False in nearly every head, and then names() costs nothing.
};

// Whether `field` belongs to one connection only and must not be forwarded (RFC 9110 7.6.1).
[[nodiscard]] bool is_hop_by_hop(const HeaderField& field,
                                 const ConnectionOptions& connection) noexcept;

// ASCII case only.
[[nodiscard]] bool equals_ignoring_case(std::string_view left, std::string_view right) noexcept;

// A non-empty run of RFC 9110 token characters.
[[nodiscard]] bool is_token(std::string_view text) noexcept;

// Walks the items of a comma-separated list; empty items are skipped, white space is trimmed.
class ListItems {
 public:
  explicit ListItems(std::string_view list) noexcept : rest_(list) {}
  // The next item, or an empty view at the end.
  [[nodiscard]] std::string_view next() noexcept;

 private:
  std::string_view rest_;
};

[[nodiscard]] bool list_contains(std::string_view list, std::string_view item) noexcept;

}  // namespace sluice::http
