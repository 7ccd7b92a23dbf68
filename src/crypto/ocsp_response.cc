#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>

#include <sluice/crypto/certificate.h>

#include "x509.h"

namespace sluice::crypto {
namespace {

constexpr const char* kFetchAnew = "fetch it anew from the issuer's OCSP server";

OcspReading refuse(std::string cause, std::string remedy) {
  return {false, {{true, std::move(cause), std::move(remedy)}}};
}

// With the issuer at hand the ids are compared whole, otherwise by the serial number.
bool is_id_of(const OCSP_CERTID* id, const X509* leaf, const X509* issuer) {
  ASN1_OBJECT* algorithm = nullptr;
  ASN1_INTEGER* serial = nullptr;
  // It is written to by nobody; OpenSSL 3.0 takes it without const.
  OCSP_id_get0_info(nullptr, &algorithm, nullptr, &serial, const_cast<OCSP_CERTID*>(id));
  if (issuer == nullptr) return ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) == 0;
  const EVP_MD* const digest = EVP_get_digestbyobj(algorithm);
  if (digest == nullptr) return false;
  const OcspIdPtr own(OCSP_cert_to_id(digest, leaf, issuer));
  return own != nullptr && OCSP_id_cmp(id, own.get()) == 0;
}

OCSP_SINGLERESP* find_single(OCSP_BASICRESP* basic, const X509* leaf, const X509* issuer) {
  for (int i = 0; i < OCSP_resp_count(basic); ++i) {
    OCSP_SINGLERESP* const single = OCSP_resp_get0(basic, i);
    if (is_id_of(OCSP_SINGLERESP_get0_id(single), leaf, issuer)) return single;
  }
  return nullptr;
}

OcspReading judge(OCSP_SINGLERESP* single, WallTime now) {
  constexpr int64_t kClockSkewUs = 300'000'000;
  int reason = 0;
  ASN1_GENERALIZEDTIME* revoked_at = nullptr;
  ASN1_GENERALIZEDTIME* this_update = nullptr;
  ASN1_GENERALIZEDTIME* next_update = nullptr;
  const int status =
      OCSP_single_get0_status(single, &reason, &revoked_at, &this_update, &next_update);
  if (status == V_OCSP_CERTSTATUS_REVOKED) {
    return refuse(fmt::format("the issuer revoked the certificate on {}",
                              date_text(wall_time_of(revoked_at))),
                  "have a new certificate issued, with a new key");
  }
  if (status != V_OCSP_CERTSTATUS_GOOD) {
    return refuse("the OCSP response says that the issuer does not know the certificate",
                  kFetchAnew);
  }
  if (next_update != nullptr && wall_time_of(next_update).unix_us < now.unix_us) {
    return {false,
            {{false,
              fmt::format("the OCSP response is out of date since {} and is not stapled",
                          date_text(wall_time_of(next_update))),
              kFetchAnew}}};
  }
  if (wall_time_of(this_update).unix_us > now.unix_us + kClockSkewUs) {
    return {false,
            {{false, "the OCSP response comes from the future and is not stapled",
              "look whether this machine's clock is right"}}};
  }
  return {true, {}};
}

}  // namespace

OcspReading read_ocsp(std::string_view der, std::string_view chain_pem, WallTime now) {
  const Certificates certificates = parse_certificates(chain_pem);
  if (certificates.all.empty()) return {};
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const OcspResponsePtr response(d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (response == nullptr) {
    return refuse("the file is no OCSP response in DER",
                  "write one with `openssl ocsp ... -respout FILE`");
  }
  const int status = OCSP_response_status(response.get());
  if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    return refuse(fmt::format("the OCSP server answered with the error `{}`",
                              OCSP_response_status_str(status)),
                  kFetchAnew);
  }
  const OcspBasicPtr basic(OCSP_response_get1_basic(response.get()));
  const X509* const leaf = certificates.all[0].get();
  const X509* const issuer = certificates.all.size() > 1 ? certificates.all[1].get() : nullptr;
  OCSP_SINGLERESP* const single =
      basic == nullptr ? nullptr : find_single(basic.get(), leaf, issuer);
  ERR_clear_error();
  if (single == nullptr) {
    return refuse("the OCSP response is for another certificate",
                  "fetch the one of the first certificate in the chain");
  }
  return judge(single, now);
}

}  // namespace sluice::crypto
