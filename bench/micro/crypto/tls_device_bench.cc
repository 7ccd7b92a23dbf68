// What does TLS cost with and without the device? Bounds, with it: sealing 200 bytes 0.6 us, 16 KB
// 6 us; a server's full handshake with an ECDSA certificate 300 us, with RSA 2048 600 us.
#include <wolfssl/options.h>

#include <benchmark/benchmark.h>

#include <array>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/curve25519.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include <sluice/crypto/tls_device.h>

#include "test_identity.h"
#include "tls_pair.h"

namespace sluice::crypto {
namespace {

constexpr int kEvent = 200;
constexpr int kRecord = 16'384;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

int device_of(const benchmark::State& state) {
  return state.range(0) != 0 ? tls_device_id() : INVALID_DEVID;
}

const TestIdentity& identity_of(bool rsa) {
  static const TestIdentity by_rsa = make_test_identity(TestKey::kRsa2048);
  static const TestIdentity by_ecdsa = make_test_identity(TestKey::kP256);
  return rsa ? by_rsa : by_ecdsa;
}

// Arguments: device, bytes, whether it opens.
void aes128_gcm(benchmark::State& state) {
  const std::vector<byte> key(16, 1);
  const std::vector<byte> nonce(12, 2);
  const std::vector<byte> associated(5, 3);
  std::vector<byte> text(static_cast<size_t>(state.range(1)), 4);
  std::vector<byte> sealed(text.size());
  std::array<byte, 16> tag;
  const auto size = static_cast<word32>(text.size());
  Aes aes;
  wc_AesInit(&aes, nullptr, device_of(state));
  wc_AesGcmSetKey(&aes, key.data(), 16);
  CipherContexts contexts;
  const CipherScope scope(contexts);
  const auto seal = [&] {
    return wc_AesGcmEncrypt(&aes, sealed.data(), text.data(), size, nonce.data(), 12, tag.data(),
                            16, associated.data(), 5);
  };
  const auto open = [&] {
    return wc_AesGcmDecrypt(&aes, text.data(), sealed.data(), size, nonce.data(), 12, tag.data(),
                            16, associated.data(), 5);
  };
  bool ok = seal() == 0;
  for (auto _ : state) {
    ok = ok && (state.range(2) != 0 ? open() : seal()) == 0;
  }
  wc_AesFree(&aes);
  if (!ok) state.SkipWithError("failed");
}
BENCHMARK(aes128_gcm)
    ->ArgNames({"device", "bytes", "opens"})
    ->ArgsProduct({{0, 1}, {kEvent, kRecord}, {0, 1}});

// wolfSSL_write of a record and, with `reads`, wolfSSL_read of it by the peer. Arguments: device,
// bytes, reads.
void session_record(benchmark::State& state) {
  const bool reads = state.range(2) != 0;
  const TlsPairSettings settings(
      identity_of(false),
      {.device = state.range(0) != 0, .group = 0, .ciphers = "TLS13-AES128-GCM-SHA256"});
  TlsPair pair(settings);
  pair.handshake();
  pair.send(false, "the client reads its ticket with this");
  const std::string text(static_cast<size_t>(state.range(1)), 't');
  std::string out(text.size(), '\0');
  bool ok = true;
  for (auto _ : state) {
    pair.write(false, text);
    if (reads) {
      ok = ok && pair.read(true, out.data(), static_cast<int>(out.size())) ==
                     static_cast<int>(out.size());
    } else {
      pair.to_client().clear();
    }
  }
  if (!ok) state.SkipWithError("failed");
}
BENCHMARK(session_record)
    ->ArgNames({"device", "bytes", "reads"})
    ->ArgsProduct({{0, 1}, {kEvent, kRecord}, {0, 1}});

// The server's CPU time alone. Arguments: device with the key outside of wolfSSL, version, RSA,
// group.
void handshake(benchmark::State& state) {
  const bool device = state.range(0) != 0;
  const TlsPairSettings settings(identity_of(state.range(2) != 0),
                                 {.version = static_cast<int>(state.range(1)),
                                  .device = device,
                                  .outside = device,
                                  .group = static_cast<int>(state.range(3))});
  for (auto _ : state) {
    TlsPair pair(settings);
    double server = 0;
    for (bool done = false; !done;) {
      const bool client_is_through = pair.step_client();
      const double begun = cpu_seconds();
      const bool server_is_through = pair.step_server();
      server += cpu_seconds() - begun;
      done = client_is_through && server_is_through;
    }
    state.SetIterationTime(server);
  }
}
BENCHMARK(handshake)
    ->ArgNames({"device", "version", "rsa", "group"})
    ->ArgsProduct({{0, 1}, {12, 13}, {0, 1}, {23, 29}})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

// With a ticket, the server's CPU time alone. Arguments: device, version.
void resumption(benchmark::State& state) {
  const bool device = state.range(0) != 0;
  const TlsPairSettings settings(identity_of(false), {.version = static_cast<int>(state.range(1)),
                                                      .device = device,
                                                      .outside = device,
                                                      .group = 23});
  TlsPair first(settings);
  first.handshake();
  first.send(false, "the client reads its ticket with this");
  const std::unique_ptr<WOLFSSL_SESSION, decltype(&TlsPair::free_session)> session(
      first.session(), TlsPair::free_session);
  bool resumed = true;
  for (auto _ : state) {
    TlsPair pair(settings, session.get());
    double server = 0;
    for (bool done = false; !done;) {
      const bool client_is_through = pair.step_client();
      const double begun = cpu_seconds();
      const bool server_is_through = pair.step_server();
      server += cpu_seconds() - begun;
      done = client_is_through && server_is_through;
    }
    resumed = resumed && pair.is_resumed();
    state.SetIterationTime(server);
  }
  if (!resumed) state.SkipWithError("not resumed");
}
BENCHMARK(resumption)
    ->ArgNames({"device", "version"})
    ->ArgsProduct({{0, 1}, {12, 13}})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

// wolfCrypt keeps tables of the last 15 points that it saw twice, so that a benchmark of one peer
// would show what no handshake sees.
constexpr size_t kPeers = 64;

struct EcKeys {
  EcKeys(int device, int bytes) {
    wc_InitRng(&random);
    wc_ecc_init_ex(&mine, nullptr, device);
    is_made = wc_ecc_make_key(&random, bytes, &mine) == 0;
    wc_ecc_set_rng(&mine, &random);
    for (ecc_key& peer : peers) {
      wc_ecc_init_ex(&peer, nullptr, device);
      is_made = is_made && wc_ecc_make_key(&random, bytes, &peer) == 0;
    }
  }
  EcKeys(const EcKeys&) = delete;
  EcKeys& operator=(const EcKeys&) = delete;
  ~EcKeys() {
    wc_ecc_free(&mine);
    for (ecc_key& peer : peers) wc_ecc_free(&peer);
    wc_FreeRng(&random);
  }

  WC_RNG random{};
  ecc_key mine{};
  std::array<ecc_key, kPeers> peers{};
  bool is_made = false;
};

// Arguments: device, bytes of the curve.
void ec_make(benchmark::State& state) {
  EcKeys keys(device_of(state), static_cast<int>(state.range(1)));
  bool ok = keys.is_made;
  for (auto _ : state) {
    ecc_key made;
    wc_ecc_init_ex(&made, nullptr, device_of(state));
    ok = ok && wc_ecc_make_key(&keys.random, static_cast<int>(state.range(1)), &made) == 0;
    wc_ecc_free(&made);
  }
  if (!ok) state.SkipWithError("failed");
}

void ec_agree(benchmark::State& state) {
  EcKeys keys(device_of(state), static_cast<int>(state.range(1)));
  bool ok = keys.is_made;
  size_t round = 0;
  for (auto _ : state) {
    std::array<byte, 80> secret;
    word32 secret_bytes = secret.size();
    ok = ok && wc_ecc_shared_secret(&keys.mine, &keys.peers[round++ % kPeers], secret.data(),
                                    &secret_bytes) == 0;
  }
  if (!ok) state.SkipWithError("failed");
}

// Signatures of many keys, or, as of an upstream that is called often, of one. Arguments: device,
// bytes of the curve, keys.
void ec_verify(benchmark::State& state) {
  EcKeys keys(device_of(state), static_cast<int>(state.range(1)));
  const auto peers = static_cast<size_t>(state.range(2));
  const std::array<byte, 32> digest{7};
  std::array<std::array<byte, 150>, kPeers> signatures;
  std::array<word32, kPeers> bytes;
  bool ok = keys.is_made;
  for (size_t i = 0; i < peers; ++i) {
    bytes[i] = static_cast<word32>(signatures[i].size());
    ok = ok && wc_ecc_sign_hash(digest.data(), digest.size(), signatures[i].data(), &bytes[i],
                                &keys.random, &keys.peers[i]) == 0;
  }
  size_t round = 0;
  for (auto _ : state) {
    const size_t i = round++ % peers;
    int good = 0;
    ok = ok &&
         wc_ecc_verify_hash(signatures[i].data(), bytes[i], digest.data(), digest.size(), &good,
                            &keys.peers[i]) == 0 &&
         good == 1;
  }
  if (!ok) state.SkipWithError("failed");
}
BENCHMARK(ec_make)
    ->ArgNames({"device", "bytes"})
    ->ArgsProduct({{0, 1}, {32, 48, 66}})
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(ec_agree)
    ->ArgNames({"device", "bytes"})
    ->ArgsProduct({{0, 1}, {32, 48, 66}})
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(ec_verify)
    ->ArgNames({"device", "bytes", "keys"})
    ->ArgsProduct({{0, 1}, {32, 48}, {1, kPeers}})
    ->Unit(benchmark::kMicrosecond);

// Arguments: device, whether it agrees rather than makes a key.
void x25519(benchmark::State& state) {
  WC_RNG random;
  wc_InitRng(&random);
  curve25519_key mine;
  curve25519_key peer;
  wc_curve25519_init_ex(&mine, nullptr, device_of(state));
  wc_curve25519_init_ex(&peer, nullptr, INVALID_DEVID);
  bool ok = wc_curve25519_make_key(&random, 32, &mine) == 0 &&
            wc_curve25519_make_key(&random, 32, &peer) == 0;
  for (auto _ : state) {
    std::array<byte, 32> secret;
    word32 secret_bytes = secret.size();
    ok = ok && (state.range(1) != 0
                    ? wc_curve25519_shared_secret(&mine, &peer, secret.data(), &secret_bytes)
                    : wc_curve25519_make_key(&random, 32, &mine)) == 0;
  }
  wc_curve25519_free(&mine);
  wc_curve25519_free(&peer);
  wc_FreeRng(&random);
  if (!ok) state.SkipWithError("failed");
}
BENCHMARK(x25519)
    ->ArgNames({"device", "agree"})
    ->ArgsProduct({{0, 1}, {0, 1}})
    ->Unit(benchmark::kMicrosecond);

// The public operation, which verifies. Arguments: device.
void rsa_verify(benchmark::State& state) {
  WC_RNG random;
  wc_InitRng(&random);
  RsaKey key;
  wc_InitRsaKey_ex(&key, nullptr, INVALID_DEVID);
  const std::array<byte, 32> digest{7};
  std::array<byte, 256> signature;
  bool ok = wc_MakeRsaKey(&key, 2'048, 65'537, &random) == 0;
  wc_RsaSetRNG(&key, &random);
  ok = ok && wc_RsaSSL_Sign(digest.data(), 32, signature.data(), 256, &key, &random) == 256;
  key.devId = device_of(state);
  for (auto _ : state) {
    std::array<byte, 256> plain;
    ok = ok && wc_RsaSSL_Verify(signature.data(), 256, plain.data(), 256, &key) == 32;
  }
  wc_FreeRsaKey(&key);
  wc_FreeRng(&random);
  if (!ok) state.SkipWithError("failed");
}
BENCHMARK(rsa_verify)->ArgName("device")->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace sluice::crypto

BENCHMARK_MAIN();
