// Scripts of the operator: one sandboxed Lua state for each shard, bounded in time and memory.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/base/clock.h>

namespace sluice::script {

enum class HookKind : uint8_t { kOnAuth, kOnRequest, kOnResponse };

struct HookLimits {
  uint64_t instructions_max = 1'000'000;
  Duration time_max = milliseconds(10);
  uint64_t memory_max = 8u << 20;
};

struct Field {
  std::string_view name;
  std::string_view value;
};

// What a script sees of a request; views that live until the call returns.
struct RequestView {
  std::string_view method;
  std::string_view path;
  std::string_view client_address;  // "" when it is not known.
  std::string_view request_id;
  std::span<const Field> headers;  // Without those that carry secrets; at most 100.
  std::string_view api_key;        // Masked: "sk-abcd...", never the secret.
  std::string_view key_id;
  std::string_view key_name;
  std::string_view tenant;
  std::string_view user;
  std::string_view model;  // "" in on_auth.
  bool is_stream = false;
  std::string_view data;      // JSON of what a source said of the key, "" without.
  std::string_view metadata;  // JSON object of the key, "" without.
  WallTime now;
};

// What it may see of an answer, in on_response.
struct ResponseView {
  uint16_t status = 0;
  int64_t latency_ms = 0;
  std::string_view upstream;
  std::string_view model;
  int64_t input_tokens = -1;  // Negative when it is not known.
  int64_t output_tokens = -1;
};

struct HookOutcome {
  enum class Verdict : uint8_t {
    kPass,      // Nothing to say: nil.
    kAllow,     // true, or a table with allow = true.
    kRefuse,    // false, or a table with allow = false.
    kError,     // It threw, or returned what makes no sense.
    kTooLong,   // Instructions or time.
    kTooLarge,  // Memory.
  };
  Verdict verdict = Verdict::kPass;
  std::string message;  // Of a refusal, for the client: at most 256 printable bytes. Of an error,
                        // for the log.
  // on_request, and of those only what the hook may do: header fields to send upstream, tags to
  // route by, a priority, another model; on_response: fields for the access log. All bounded.
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> tags;
  int64_t priority = -1;
  std::string model;
  std::vector<std::pair<std::string, std::string>> log_fields;
  std::string metadata;                // on_auth: JSON object to merge into the key's, "" for none.
  std::vector<std::string> log_lines;  // Of log(), whatever the verdict is.
};

// Bounds of what a script may give; an answer beyond them is an error, unless it says otherwise.
inline constexpr size_t kScriptBytesMax = 256 << 10;
inline constexpr size_t kMessageBytesMax = 256;  // Cut there, with '?' for control bytes.
inline constexpr size_t kScriptHeadersMax = 16;
inline constexpr size_t kHeaderNameBytesMax = 64;
inline constexpr size_t kHeaderValueBytesMax = 512;
inline constexpr size_t kScriptTagsMax = 8;
inline constexpr size_t kTagBytesMax = 64;
inline constexpr size_t kModelBytesMax = 256;
inline constexpr int64_t kScriptPriorityMax = 1'000;
inline constexpr size_t kLogFieldsMax = 16;
inline constexpr size_t kLogFieldBytesMax = 256;  // Of a value; cut there as well.
inline constexpr size_t kScriptMetadataBytesMax = 8 << 10;

// Whether `source` compiles, and is text rather than bytecode. The error is a sentence with the
// line. Any thread.
[[nodiscard]] std::expected<void, std::string> check_script(std::string_view source,
                                                            std::string_view name);

// The scripts of one configuration on one shard. No os, io, package, debug, ffi, load of anything;
// string.find, match, gmatch and gsub are RE2's, so that they end. Globals that a call sets are
// gone with it. Not thread-safe.
class Hooks {
 public:
  struct Script {
    HookKind kind = HookKind::kOnRequest;
    std::string name;  // Of its file, for messages.
    std::string source;
  };

  // The error is a sentence: a script that does not compile, or does not fit the memory.
  [[nodiscard]] static std::expected<std::unique_ptr<Hooks>, std::string> make(
      std::span<const Script> scripts, const HookLimits& limits, Clock& clock);
  ~Hooks();
  Hooks(const Hooks&) = delete;
  Hooks& operator=(const Hooks&) = delete;

  [[nodiscard]] bool has(HookKind kind) const noexcept;
  // Runs to its end or to a limit; allocates, and may take `time_max`. Never suspends.
  [[nodiscard]] HookOutcome run(HookKind kind, const RequestView& request,
                                const ResponseView* response = nullptr);

 private:
  struct Parts;
  explicit Hooks(std::unique_ptr<Parts> parts) noexcept;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::script
