// Bytes of the protocol RESP2 in, replies out; bounded in size, number and depth.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>

#include <sluice/store/redis_reply.h>

struct redisReader;

namespace sluice::store {

// The syntax is hiredis' reader's; the bounds and the values are ours. Any split of the bytes gives
// the same replies. After an error it is of no use any more.
class ReplyReader {
 public:
  static constexpr size_t kReplyBytesMost = 4 << 20;
  static constexpr size_t kItemsMost = 65536;      // Of all lists of one reply together.
  static constexpr size_t kLineBytesMost = 65536;  // Of a status, an error or a number.

  ReplyReader();
  ~ReplyReader();
  ReplyReader(const ReplyReader&) = delete;
  ReplyReader& operator=(const ReplyReader&) = delete;

  // At most some 64 KiB at a time, each followed by next() until there is none.
  void feed(std::string_view bytes);
  // The next reply, or none until more is fed. The error is what is wrong, of static storage.
  [[nodiscard]] std::expected<std::optional<RedisReply>, std::string_view> next();

 private:
  struct Tree;
  struct Free {
    void operator()(redisReader* reader) const noexcept;
  };
  [[nodiscard]] bool is_endless_line() const noexcept;

  std::unique_ptr<Tree> tree_;
  std::unique_ptr<redisReader, Free> reader_;
  size_t fed_ = 0;    // Bytes, since the reader was made.
  size_t begun_ = 0;  // Of them, those before the reply that is being read.
};

}  // namespace sluice::store
