// liburing, included first and only here: the kernel's own header before it would corrupt the
// layout of io_uring_buf_ring in C++ (docs/traps/liburing-headers.md).
#pragma once

#include <liburing.h>

#include <cstddef>

static_assert(offsetof(io_uring_buf_ring, bufs) == 0,
              "<linux/io_uring.h> was included before <liburing.h>");
