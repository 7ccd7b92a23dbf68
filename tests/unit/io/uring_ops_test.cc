#include "uring_ops.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <sluice/io/uring_kernel.h>

namespace sluice::io {
namespace {

TEST(UringOps, table_and_preparation_agree_for_every_code) {
  msghdr message{};
  size_t codes = 0;
  for (int code = 0; code <= UINT8_MAX; ++code) {
    const auto op = static_cast<OpCode>(code);
    if (uring_op_of(op) == kNoUringOp) continue;
    ++codes;
    io_uring_sqe entry{};
    prepare(&entry, {.code = op, .fd = 3, .address = &message, .length = 1});
    EXPECT_EQ(entry.opcode, uring_op_of(op)) << code;
    EXPECT_EQ(entry.flags & ~kUringFlags, 0) << code;
  }
  EXPECT_GE(codes, 11u);
}

TEST(UringOps, what_opens_files_and_sockets_is_not_in_use) {
  const std::vector<uint8_t> ops = uring_ops_in_use();
  EXPECT_EQ(ops.size(), 9u);
  for (const uint8_t op : {IORING_OP_OPENAT, IORING_OP_OPENAT2, IORING_OP_SOCKET, IORING_OP_WRITE,
                           IORING_OP_UNLINKAT, IORING_OP_RENAMEAT, IORING_OP_URING_CMD}) {
    EXPECT_EQ(std::ranges::count(ops, op), 0) << int{op};
  }
}

// A ring restricted by the table as open_uring_kernel() does it, with the descriptor in reach.
struct RestrictedRing : ::testing::Test {
  void SetUp() override {
    io_uring_params params{};
    params.flags =
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED;
    ASSERT_EQ(io_uring_queue_init_params(8, &ring, &params), 0);
    ASSERT_EQ(restrict_uring(&ring), 0);
    ASSERT_EQ(io_uring_enable_rings(&ring), 0);
  }
  void TearDown() override { io_uring_queue_exit(&ring); }
  int run() {
    io_uring_submit_and_wait(&ring, 1);
    io_uring_cqe* entry = nullptr;
    if (io_uring_peek_cqe(&ring, &entry) != 0) return 1;
    const int result = entry->res;
    io_uring_cqe_seen(&ring, entry);
    return result;
  }
  io_uring ring{};
};

TEST_F(RestrictedRing, refuses_an_operation_that_is_not_in_the_table) {
  io_uring_prep_openat(io_uring_get_sqe(&ring), AT_FDCWD, "/dev/null", O_RDONLY, 0);
  EXPECT_EQ(run(), -EACCES);
  io_uring_prep_socket(io_uring_get_sqe(&ring), AF_INET, SOCK_STREAM, 0, 0);
  EXPECT_EQ(run(), -EACCES);
  io_uring_prep_nop(io_uring_get_sqe(&ring));
  EXPECT_EQ(run(), -EACCES);
}

TEST_F(RestrictedRing, refuses_flags_that_are_not_in_use) {
  io_uring_sqe* entry = io_uring_get_sqe(&ring);
  io_uring_prep_close(entry, 1'000'000);
  entry->flags |= IOSQE_ASYNC;
  EXPECT_EQ(run(), -EACCES);
}

TEST_F(RestrictedRing, runs_what_is_in_use) {
  io_uring_prep_close(io_uring_get_sqe(&ring), 1'000'000);
  EXPECT_EQ(run(), -EBADF);
}

TEST_F(RestrictedRing, cannot_be_loosened_or_registered_with) {
  std::array<io_uring_restriction, 1> more{};
  more[0].opcode = IORING_RESTRICTION_SQE_OP;
  more[0].sqe_op = IORING_OP_OPENAT;
  EXPECT_LT(io_uring_register_restrictions(&ring, more.data(), 1), 0);
  const int fd = 0;
  EXPECT_EQ(io_uring_register_files(&ring, &fd, 1), -EACCES);
}

// Else each ring of a task would stay until the task ends.
TEST_F(RestrictedRing, gives_its_place_among_the_tasks_rings_back) {
  io_uring own{};
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_R_DISABLED;
  ASSERT_EQ(io_uring_queue_init_params(8, &own, &params), 0);
  ASSERT_EQ(io_uring_register_ring_fd(&own), 1);
  ASSERT_EQ(restrict_uring(&own), 0);
  ASSERT_EQ(io_uring_enable_rings(&own), 0);
  EXPECT_EQ(io_uring_unregister_ring_fd(&own), 1);
  io_uring_queue_exit(&own);
}

}  // namespace
}  // namespace sluice::io
