#include "tls_faults.h"

#include <wolfssl/options.h>
// The library's feature macros come first.
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

namespace sluice::net {

std::string_view describe_tls_fault(int code) noexcept {
  switch (code) {
    case ASN_AFTER_DATE_E: return "TLS: the certificate has expired";
    case ASN_BEFORE_DATE_E: return "TLS: the certificate is not valid yet";
    case ASN_SELF_SIGNED_E:
      return "TLS: the certificate is self-signed and not among the trusted authorities";
    case ASN_NO_SIGNER_E:
      return "TLS: the certificate is signed by no trusted authority (self-signed, a private "
             "authority, or an intermediate is missing)";
    case ASN_SIG_CONFIRM_E: return "TLS: the certificate's signature is wrong";
    case ASN_PATHLEN_SIZE_E:
    case ASN_PATHLEN_INV_E:
    case MAX_CHAIN_ERROR: return "TLS: the certificate chain is too long";
    case KEYUSE_SIGNATURE_E:
    case KEYUSE_ENCIPHER_E:
    case EXTKEYUSE_AUTH_E: return "TLS: the certificate is not for this use";
    case RSA_KEY_SIZE_E:
    case ECC_KEY_SIZE_E: return "TLS: the certificate's key is too weak";
    case OCSP_CERT_REVOKED:
    case CRL_CERT_REVOKED: return "TLS: the certificate is revoked";
    case DOMAIN_NAME_MISMATCH:
    case IPADDR_MISMATCH: return "TLS: the certificate is for another name";
    case NO_PEER_CERT:
    case NO_PEER_VERIFY: return "TLS: the peer sent no certificate that verifies";
    case VERSION_ERROR:
    case UNSUPPORTED_PROTO_VERSION: return "TLS: no common protocol version (1.2 or 1.3)";
    case MATCH_SUITE_ERROR:
    case UNSUPPORTED_SUITE: return "TLS: no common cipher suite";
    case ECC_CURVE_ERROR:
    case KEY_SHARE_ERROR: return "TLS: no common key exchange group";
    case FATAL_ERROR: return "TLS: the peer ended the handshake or the stream with an alert";
    case UNKNOWN_RECORD_TYPE: return "TLS: the peer does not speak TLS";
    case VERIFY_MAC_ERROR:
    case DECRYPT_ERROR:
    case AES_GCM_AUTH_E:
    case MAC_CMP_FAILED_E: return "TLS: a record was altered or damaged";
    case LENGTH_ERROR:
    case BUFFER_ERROR:
    case INCOMPLETE_DATA: return "TLS: a record has a wrong length";
    case SECURE_RENEGOTIATION_E: return "TLS: renegotiation is refused";
    case ALERT_COUNT_E: return "TLS: too many warnings of the peer";
    case VERIFY_FINISHED_ERROR:
    case VERIFY_CERT_ERROR:
    case VERIFY_SIGN_ERROR:
    case BAD_BINDER: return "TLS: the peer could not prove itself";
    case MEMORY_ERROR:
    case MEMORY_E: return "TLS: out of memory";
    default: return "TLS: the peer broke the protocol";
  }
}

}  // namespace sluice::net
