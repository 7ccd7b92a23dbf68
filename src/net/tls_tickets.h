// Session tickets: sealed by AES-256-GCM with the keys that all shards share.
#pragma once

struct WOLFSSL;

namespace sluice::net {

// wolfSSL's SessionTicketEncCb; `keys` is a TicketKeys. The ticket grows by nothing: the tag takes
// the place of wolfSSL's MAC.
int crypt_ticket(WOLFSSL*, unsigned char* key_name, unsigned char* iv, unsigned char* mac,
                 int encrypts, unsigned char* ticket, int length, int* length_out,
                 void* keys) noexcept;

}  // namespace sluice::net
