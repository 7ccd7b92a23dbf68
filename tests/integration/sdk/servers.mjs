// Starts the real programs on free ports, in a directory of their own, and ends them by their pid.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const START_MS = 30_000;
const STOP_MS = 15_000;
const POLL_MS = 5;

export const directory = mkdtempSync(join(tmpdir(), 'sluice-sdk-'));

export function removeDirectory() {
  rmSync(directory, { recursive: true, force: true });
}

function requiredPath(variable) {
  const path = process.env[variable];
  if (!path) throw new Error(`${variable} must name the program; meson sets it`);
  return path;
}

// Asks again and again until `check` gives something true, and returns that.
export async function until(what, check) {
  const deadline = Date.now() + START_MS;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

class Server {
  constructor(path, args) {
    this.output = '';
    this.path = path;
    this.child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.exit = once(this.child, 'exit');
    const keep = (bytes) => (this.output += bytes);
    this.child.stdout.on('data', keep);
    this.child.stderr.on('data', keep);
  }

  get hasEnded() {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  async listening() {
    const match = await until(`${this.path} to listen`, () => {
      if (this.hasEnded) throw new Error(`${this.path} ended at its start:\n${this.output}`);
      return /listening on (https?:\/\/[\d.:]+)/.exec(this.output);
    });
    this.url = match[1];
    return this;
  }

  // The exit status; throws when the program did not end by itself after SIGTERM.
  async stop() {
    if (!this.hasEnded) this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    const [status, signal] = await this.exit;
    clearTimeout(timer);
    if (signal) throw new Error(`${this.path} ended by ${signal}:\n${this.output}`);
    return status;
  }
}

// With SUITE_TLS both legs speak https; run.mjs has made the certificate.
export const certificate = process.env.SUITE_TLS
  ? { chain: join(process.env.SUITE_TLS, 'leaf.pem'), key: join(process.env.SUITE_TLS, 'leaf.key') }
  : null;

export async function startSim(...args) {
  const tls = certificate ? ['--certificate', certificate.chain, '--key', certificate.key] : [];
  const sim = new Server(requiredPath('SLUICE_SIM_BIN'),
                         ['--listen', '127.0.0.1:0', ...tls, ...args]);
  sim.stats = async () => (await fetch(`${sim.url}/sim/stats`)).json();
  sim.last = async () => (await fetch(`${sim.url}/sim/last`)).json();
  return sim.listening();
}

export async function startSluice(name, config) {
  const file = join(directory, `${name}.yaml`);
  writeFileSync(file, config);
  return new Server(requiredPath('SLUICE_BIN'), ['run', file]).listening();
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

// nginx cannot choose a port itself: when somebody else was faster, another one is tried.
export async function startNginx(nginx, target) {
  for (let attempt = 0; ; ++attempt) {
    const port = await freePort();
    const home = mkdtempSync(join(directory, 'nginx-'));
    const file = join(home, 'nginx.conf');
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((kind) => `${kind}_temp_path ${home}/${kind};`)
      .join(' ');
    writeFileSync(file, `
      daemon off; master_process off; pid ${home}/pid; error_log stderr warn;
      events { worker_connections 256; }
      http {
        access_log off; ${temporary}
        server {
          listen 127.0.0.1:${port};
          location / { proxy_pass ${target}; proxy_buffering off; }
        }
      }`);
    const server = new Server(nginx, ['-p', home, '-e', 'stderr', '-c', file]);
    server.url = `http://127.0.0.1:${port}`;
    try {
      await until('nginx to answer', async () => {
        if (server.hasEnded) throw new Error(`nginx ended at its start:\n${server.output}`);
        return fetch(`${server.url}/healthz`).then((answer) => answer.ok, () => false);
      });
      return server;
    } catch (error) {
      if (!server.hasEnded) await server.stop();
      if (attempt === 4 || !/bind\(\)/.test(server.output)) throw error;
    }
  }
}
