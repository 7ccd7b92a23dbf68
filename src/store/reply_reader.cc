#include "reply_reader.h"

#include <hiredis/read.h>

#include <string>
#include <utility>

#include <sluice/base/assert.h>

namespace sluice::store {

// The reply that is being built. Lists get all their items at once, so that items stay in place.
struct ReplyReader::Tree {
  RedisReply root;
  size_t items = 0;
  bool is_too_wide = false;

  static Tree& of(const redisReadTask* task) noexcept {
    return *static_cast<Tree*>(task->privdata);
  }

  RedisReply& place(const redisReadTask* task) noexcept {
    if (task->parent == nullptr) return root;
    return static_cast<RedisReply*>(task->parent->obj)->items[static_cast<size_t>(task->idx)];
  }
};

namespace {

RedisReply::Kind kind_of(int type) noexcept {
  switch (type) {
    case REDIS_REPLY_STATUS: return RedisReply::Kind::kStatus;
    case REDIS_REPLY_ERROR: return RedisReply::Kind::kError;
    default: return RedisReply::Kind::kText;
  }
}

}  // namespace

ReplyReader::ReplyReader() : tree_(std::make_unique<Tree>()) {
  // The library keeps the pointer.
  static redisReplyObjectFunctions makers = {
      .createString = [](const redisReadTask* task, char* bytes, size_t count) -> void* {
        // The library skips two bytes behind a text without a look at them.
        if (bytes[count] != '\r' || bytes[count + 1] != '\n') return nullptr;
        RedisReply& place = Tree::of(task).place(task);
        place.kind = kind_of(task->type);
        place.text.assign(bytes, count);
        return &place;
      },
      .createArray = [](const redisReadTask* task, int count) -> void* {
        Tree& tree = Tree::of(task);
        tree.items += static_cast<size_t>(count);
        if (tree.items > kItemsMost) {
          tree.is_too_wide = true;
          return nullptr;
        }
        RedisReply& place = tree.place(task);
        place.kind = RedisReply::Kind::kList;
        place.items.resize(static_cast<size_t>(count));
        return &place;
      },
      .createInteger = [](const redisReadTask* task, long long value) -> void* {
        RedisReply& place = Tree::of(task).place(task);
        place.kind = RedisReply::Kind::kInteger;
        place.integer = value;
        return &place;
      },
      .createNil = [](const redisReadTask* task) -> void* {
        RedisReply& place = Tree::of(task).place(task);
        place.kind = RedisReply::Kind::kNil;
        return &place;
      },
      .freeObject = [](void*) {},
  };
  reader_.reset(redisReaderCreateWithFunctions(&makers));
  SLUICE_ASSERT(reader_ != nullptr);
  reader_->privdata = tree_.get();
}

ReplyReader::~ReplyReader() = default;

void ReplyReader::Free::operator()(redisReader* reader) const noexcept { redisReaderFree(reader); }

void ReplyReader::feed(std::string_view bytes) {
  if (bytes.empty()) return;
  fed_ += bytes.size();
  redisReaderFeed(reader_.get(), bytes.data(), bytes.size());
}

// The library looks for a line's end from the line's beginning each time, so that an endless line
// would cost the square of its length.
bool ReplyReader::is_endless_line() const noexcept {
  const std::string_view unread(reader_->buf + reader_->pos, reader_->len - reader_->pos);
  if (unread.size() <= kLineBytesMost || reader_->ridx < 0) return false;
  const bool is_text = reader_->rstack[reader_->ridx].type == REDIS_REPLY_STRING;
  constexpr size_t kLengthBytesMost = 32;
  return !is_text || unread.substr(0, kLengthBytesMost).find('\n') == std::string_view::npos;
}

std::expected<std::optional<RedisReply>, std::string_view> ReplyReader::next() {
  void* found = nullptr;
  if (redisReaderGetReply(reader_.get(), &found) != REDIS_OK) {
    return std::unexpected(tree_->is_too_wide ? "a reply has too many items"
                                              : "it does not speak Redis' protocol");
  }
  const size_t read = fed_ - (reader_->len - reader_->pos);
  if ((found == nullptr ? fed_ : read) - begun_ > kReplyBytesMost) {
    return std::unexpected("a reply is too long");
  }
  if (found == nullptr) {
    if (is_endless_line()) return std::unexpected("a line of a reply is too long");
    return std::nullopt;
  }
  begun_ = read;
  tree_->items = 0;
  return std::exchange(tree_->root, RedisReply{});
}

}  // namespace sluice::store
