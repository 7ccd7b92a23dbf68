// What a session needs no more once its handshake is done, given back.
#pragma once

namespace sluice::net {

// Gives the kernel the whole pages of zeros within `block`, which malloc gave: they read as zeros
// still, and take no memory until they are written. The library's sessions hold 36 KiB for
// certificates that they do not keep.
void release_zero_pages(void* block) noexcept;

}  // namespace sluice::net
