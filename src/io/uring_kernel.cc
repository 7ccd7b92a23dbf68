#include "uring_ops.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include <sluice/base/assert.h>
#include <sluice/base/vector_registers.h>
#include <sluice/io/uring_kernel.h>

namespace sluice::io {
namespace {

std::string explain_setup_failure(int error) {
  std::string setting;
  std::ifstream file("/proc/sys/kernel/io_uring_disabled");
  const bool has_setting = static_cast<bool>(std::getline(file, setting));
  if (has_setting && setting != "0") {
    return "io_uring is disabled on this machine (kernel.io_uring_disabled = " + setting +
           "); run: sysctl -w kernel.io_uring_disabled=0";
  }
  switch (error) {
    case ENOSYS:
    case EINVAL:
      return "this kernel's io_uring is too old or absent; Sluice needs Linux 6.1 or newer";
    case EPERM:
    case EACCES:
      return "io_uring is forbidden here, most likely by a seccomp profile; allow the system calls "
             "io_uring_setup, io_uring_enter and io_uring_register (for Docker: --security-opt "
             "seccomp=PROFILE with these three)";
    case ENOMEM:
      return "the kernel refused memory for io_uring; raise the locked-memory limit (ulimit -l, or "
             "LimitMEMLOCK= in the unit) to 1 MiB and half a MiB for each shard, or the cgroup's "
             "memory limit";
    case EMFILE:
    case ENFILE:
      return "no descriptor is left for io_uring; raise the limit (ulimit -n, or LimitNOFILE=)";
    default: return std::string("io_uring_setup failed: ") + std::strerror(error);
  }
}

class UringKernel final : public Kernel {
 public:
  ~UringKernel() override {
    if (open_) io_uring_queue_exit(&ring_);
    if (buffer_ring_ != nullptr) munmap(buffer_ring_, buffer_ring_bytes_);
  }

  // Empty on success.
  std::string open(const UringOptions& options) {
    io_uring_params params{};
    // Disabled until it is restricted; the task that enables it is its single issuer.
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                   IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE |
                   IORING_SETUP_R_DISABLED;
    params.cq_entries = options.completions;
    const int result = io_uring_queue_init_params(options.submissions, &ring_, &params);
    if (result < 0) return explain_setup_failure(-result);
    open_ = true;
    constexpr uint32_t kNeeded = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_FAST_POLL;
    if ((params.features & kNeeded) != kNeeded) return explain_setup_failure(EINVAL);
    // Saves a descriptor look-up per enter; failing costs only that.
    io_uring_register_ring_fd(&ring_);
    std::string failure = open_buffer_ring(options.buffers_most);
    return failure.empty() ? restrict_and_enable() : failure;
  }

  void submit(const Submission& submission) override {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) {
      // The queue is full within one turn: the one case of a submit outside wait().
      io_uring_submit(&ring_);
      entry = io_uring_get_sqe(&ring_);
      SLUICE_ASSERT(entry != nullptr);
    }
    prepare(entry, submission);
    io_uring_sqe_set_data64(entry, submission.token);
  }

  size_t wait(std::optional<Duration> timeout, std::span<KernelCompletion> completions) override {
    io_uring_cqe* first = nullptr;
    __kernel_timespec time{};
    if (timeout) {
      time.tv_sec = timeout->count() / 1'000'000'000;
      time.tv_nsec = timeout->count() % 1'000'000'000;
    }
    // Who sleeps long is who a core file finds with what it copied last.
    if (!timeout || *timeout > Duration::zero()) clear_vector_registers();
    const int result =
        io_uring_submit_and_wait_timeout(&ring_, &first, 1, timeout ? &time : nullptr, nullptr);
    // EAGAIN and EBUSY: the kernel wants completions reaped first; what was not submitted stays
    // queued and goes out with the next turn.
    SLUICE_ASSERT(result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN ||
                  result == -EBUSY);
    if (IO_URING_READ_ONCE(*ring_.sq.kflags) & IORING_SQ_CQ_OVERFLOW) ++figures_.overflows;
    return reap(completions);
  }

  void provide_buffer(uint16_t id, char* address, uint32_t length) override {
    io_uring_buf_ring_add(buffer_ring_, address, length, id, buffer_mask_, uncommitted_++);
  }

  void commit_buffers() override {
    io_uring_buf_ring_advance(buffer_ring_, uncommitted_);
    uncommitted_ = 0;
  }

  KernelFigures figures() const override { return figures_; }

 private:
  std::string open_buffer_ring(uint32_t entries) {
    buffer_ring_bytes_ = entries * sizeof(io_uring_buf);
    void* memory = mmap(nullptr, buffer_ring_bytes_, PROT_READ | PROT_WRITE,
                        MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    if (memory == MAP_FAILED) return explain_setup_failure(ENOMEM);
    buffer_ring_ = static_cast<io_uring_buf_ring*>(memory);
    io_uring_buf_ring_init(buffer_ring_);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<uint64_t>(memory);
    registration.ring_entries = entries;
    registration.bgid = kBufferGroup;
    const int result = io_uring_register_buf_ring(&ring_, &registration, 0);
    buffer_mask_ = io_uring_buf_ring_mask(entries);
    return result < 0 ? explain_setup_failure(-result) : std::string();
  }

  std::string restrict_and_enable() {
    int result = restrict_uring(&ring_);
    if (result == 0) result = io_uring_enable_rings(&ring_);
    return result < 0 ? explain_setup_failure(-result) : std::string();
  }

  size_t reap(std::span<KernelCompletion> completions) {
    size_t count = 0;
    unsigned head = 0;
    io_uring_cqe* entry = nullptr;
    io_uring_for_each_cqe(&ring_, head, entry) {
      if (count == completions.size()) break;
      completions[count++] = {
          .token = entry->user_data,
          .result = entry->res,
          .buffer = static_cast<uint16_t>(entry->flags >> IORING_CQE_BUFFER_SHIFT),
          .has_buffer = (entry->flags & IORING_CQE_F_BUFFER) != 0,
          .more = (entry->flags & IORING_CQE_F_MORE) != 0,
      };
    }
    io_uring_cq_advance(&ring_, static_cast<unsigned>(count));
    return count;
  }

  io_uring ring_{};
  bool open_ = false;
  io_uring_buf_ring* buffer_ring_ = nullptr;
  size_t buffer_ring_bytes_ = 0;
  int buffer_mask_ = 0;
  int uncommitted_ = 0;
  KernelFigures figures_;
};

}  // namespace

std::expected<std::unique_ptr<Kernel>, std::string> open_uring_kernel(UringOptions options) {
  auto kernel = std::make_unique<UringKernel>();
  std::string failure = kernel->open(options);
  if (!failure.empty()) return std::unexpected(std::move(failure));
  return kernel;
}

std::string probe_uring() {
  UringKernel kernel;
  if (std::string failure = kernel.open({.submissions = 8, .completions = 16, .buffers_most = 8});
      !failure.empty()) {
    return failure;
  }
  io_uring_probe* probe = io_uring_get_probe();
  if (probe == nullptr) return explain_setup_failure(EINVAL);
  std::string failure;
  for (const uint8_t code : uring_ops_in_use()) {
    if (!io_uring_opcode_supported(probe, code)) {
      failure = "this kernel's io_uring lacks operation " + std::to_string(code) +
                "; Sluice needs Linux 6.1 or newer";
    }
  }
  io_uring_free_probe(probe);
  return failure;
}

}  // namespace sluice::io
