// Installs the SDK into a folder of the build, then runs the suite there: run.mjs FOLDER [FILE...]
// With TLS=1 over TLS, with a certificate that is made for the run. Exits with 77, which skips the test, where there is no npm.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const SKIPPED = 77;
const here = dirname(fileURLToPath(import.meta.url));
const folder = resolve(process.argv[2]);
const files = process.argv.slice(3);

// Runs a program to its end on our own output and returns its status.
function run(program, args, options) {
  const { error, status, signal } = spawnSync(program, args, { stdio: 'inherit', ...options });
  if (error?.code === 'ENOENT') process.exit(SKIPPED);
  return signal ? 1 : status;
}

// What was installed for the same lock file stays, so that only the first run needs a network.
function install() {
  const names = ['package.json', 'package-lock.json', '.npmrc'];
  const stamp = join(folder, 'installed.json');
  const wanted = readFileSync(join(here, 'package-lock.json'), 'utf8') + process.version;
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  mkdirSync(folder, { recursive: true });
  rmSync(stamp, { force: true });
  for (const name of names) copyFileSync(join(here, name), join(folder, name));
  const status = run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
                     { cwd: folder });
  if (status !== 0) process.exit(status);
  writeFileSync(stamp, wanted);
}

// A certificate that is its own authority; node reads whom it trusts only at its start.
function makeCertificate() {
  const home = mkdtempSync(join(tmpdir(), 'sluice-sdk-tls-'));
  const chain = join(home, 'leaf.pem');
  const status = run('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-keyout', join(home, 'leaf.key'), '-out', chain, '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
  ], { stdio: 'ignore' });
  if (status !== 0) throw new Error('openssl made no certificate');
  return { SUITE_TLS: home, NODE_EXTRA_CA_CERTS: chain };
}

install();
const tls = process.env.TLS ? makeCertificate() : {};
const status = run(process.execPath,
                   ['--test', '--test-reporter=tap', ...files.map((name) => join(here, name))],
                   { env: { ...process.env, ...tls, SLUICE_SDK_DIR: folder } });
if (tls.SUITE_TLS) rmSync(tls.SUITE_TLS, { recursive: true });
process.exit(status);
