// The gateway (or, with SUT=direct, the simulated server alone) as every file of the suite tests it.
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

import { certificate, directory, removeDirectory, startSim, startSluice } from './servers.mjs';

// Installed beside the build, so that the source tree stays as it is.
const require = createRequire(resolve(process.env.SLUICE_SDK_DIR ?? '.', 'suite.cjs'));
export const OpenAI = require('openai');

export const isDirect = process.env.SUT === 'direct';
// For tests of what only a gateway does.
export const gatewayOnly = isDirect ? { skip: 'needs the gateway' } : {};

export const KEY = 'sk-suite-app-0123456789abcdef';
export const UPSTREAM_KEY = 'sk-suite-upstream-fedcba9876543210';
export const BODY_BYTES_MAX = 1024 * 1024;

// What clients ask for, and what that is upstream.
const MODELS = {
  chat: 'sim-small?ttft=0&tps=0&tokens=40',
  paced: 'sim-small?ttft=5ms&tps=400&tokens=40',
  endless: 'sim-small?ttft=0&tps=200&tokens=1000000',
  mute: 'sim-small?fault=stall',
  echo: 'sim-echo?ttft=0&tps=0&token-bytes=3',
  'echo-split': 'sim-echo?ttft=0&tps=0&token-bytes=3&fault=split:1',
  tools: 'sim-tools?ttft=0&tps=0&token-bytes=3',
  embedding: 'sim-embedding?ttft=0',
  crlf: 'sim-small?ttft=0&tps=0&tokens=40&fault=crlf,comments',
  'usage-first': 'sim-small?ttft=0&tps=0&tokens=40&fault=usage-first',
  'no-usage': 'sim-small?ttft=0&tps=0&tokens=40&fault=no-usage',
  'one-chunk': 'sim-small?ttft=0&tps=0&tokens=40&fault=one-chunk',
  'until-close': 'sim-small?ttft=0&tps=0&tokens=40&fault=until-close',
  'with-length': 'sim-small?ttft=0&tps=0&tokens=40&fault=content-length',
  'one-write': 'sim-small?ttft=0&tps=0&tokens=40&burst=1',
  big: 'sim-small?ttft=0&tps=0&tokens=2&fault=big-event:300000',
  cut: 'sim-small?ttft=0&tps=0&tokens=40&fault=cut-after:5',
  'cut-mid-event': 'sim-small?ttft=0&tps=0&tokens=40&fault=cut-mid-event:5',
  'cut-mid-chunk': 'sim-small?ttft=0&tps=0&tokens=40&fault=cut-mid-chunk:5',
  reset: 'sim-small?ttft=0&tps=200&tokens=40&fault=reset-after:5',
  'bad-chunk': 'sim-small?ttft=0&tps=0&tokens=40&fault=bad-chunk:5',
  'error-event': 'sim-small?ttft=0&tps=0&tokens=40&fault=error-event:5',
  'cut-before-head': 'sim-small?fault=cut-before-head',
  garbage: 'sim-small?fault=garbage',
  busy: 'sim-small?fault=status:503&retry-after=1',
  limited: 'sim-small?fault=status:429&retry-after=7',
  'early-close': 'sim-small?ttft=0&tps=0&tokens=3&fault=early-close',
};

// The name that the client puts into its request.
export function model(name) {
  if (!(name in MODELS)) throw new Error(`no model ${name} in this suite`);
  return isDirect ? MODELS[name] : name;
}

function quoted(text) {
  return `"${text}"`;
}

const tlsOfClients = certificate
  ? `tls:\n  certificates: [{certificate: ${certificate.chain}, key: ${certificate.key}}]\n` : '';
const tlsOfUpstream = certificate ? `    tls: {ca: ${certificate.chain}}\n` : '';

export function configFor(upstreamUrl, more = '') {
  const models = Object.entries(MODELS).map(
    ([name, there]) =>
      `  - name: ${name}\n    routes:\n      - upstream: sim\n        model: ${quoted(there)}\n`);
  return `listen: 127.0.0.1:0
${tlsOfClients}shards: 2
drain_timeout: 2s
log:
  level: warn
access_log:
  file: ${directory}/access.log
limits:
  body_bytes_max: ${BODY_BYTES_MAX}B
  attempts: 1    # What the SDK sees is what the server did.
upstreams:
  - name: sim
    url: ${upstreamUrl}
    private_addresses: true
    breaker: off    # One server for all tests: what one makes it do must not touch the next.
    cooldown: {after_429: 0s, max: 0s}
    credential: ${UPSTREAM_KEY}
${tlsOfUpstream}models:
${models.join('')}  - name: private
    routes:
      - upstream: sim
keys:
  - name: app
    secret: ${KEY}
    models: [${Object.keys(MODELS).join(', ')}]
  - name: other
    secret: sk-suite-other-0123456789abcdef
${more}`;
}

// The simulated server, the gateway before it, and an SDK client of the latter.
export async function startAll() {
  const sim = await startSim('--record', '--ttft', '0', '--tps', '0', '--tokens', '8');
  const gateway = isDirect ? sim : await startSluice('gateway', configFor(sim.url));
  const connect = (options = {}) =>
    new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: KEY, maxRetries: 0, ...options });
  const stop = async () => {
    const statuses = [];
    if (!isDirect) statuses.push(await gateway.stop());
    statuses.push(await sim.stop());
    removeDirectory();
    return statuses;
  };
  return { sim, gateway, connect, client: connect(), stop };
}

export const QUESTION = [{ role: 'user', content: 'Say something about water.' }];

// All of a stream: its text, its chunks, its usage chunks.
export async function collect(stream) {
  const all = { text: '', chunks: [], usages: [], finish: [] };
  for await (const chunk of stream) {
    all.chunks.push(chunk);
    for (const choice of chunk.choices ?? []) {
      all.text += choice.delta?.content ?? choice.text ?? '';
      if (choice.finish_reason) all.finish.push(choice.finish_reason);
    }
    if (chunk.usage) all.usages.push(chunk.usage);
  }
  return all;
}
