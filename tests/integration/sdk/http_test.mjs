// Clients that are no SDK: curl, plain sockets, and nginx between the gateway and its upstream.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { directory, startNginx, startSluice, until } from './servers.mjs';
import {
  BODY_BYTES_MAX, KEY, OpenAI, QUESTION, collect, configFor, gatewayOnly, isDirect, model, startAll,
} from './setup.mjs';

let all;
before(async () => {
  all = await startAll();
});
after(async () => {
  if (!all) return;
  assert.deepEqual(await all.stop(), isDirect ? [0] : [0, 0]);
});

const request = (more = {}) => JSON.stringify({ model: model('chat'), messages: QUESTION, ...more });

// Runs curl and takes its answer apart; the head behind those of 1xx counts.
function curl(path, ...args) {
  return curlWithout(path, '-H', `authorization: Bearer ${KEY}`, ...args);
}

// The same without a key.
function curlWithout(path, ...args) {
  const options = ['-sS', '-i', '-m', '20', ...args, all.gateway.url + path];
  return new Promise((resolve) => {
    execFile('curl', options, { maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      const heads = stdout.split('\r\n\r\n');
      let at = 0;
      while (/^HTTP\/1\.1 1\d\d/.test(heads[at])) ++at;
      const [line, ...fields] = (heads[at] ?? '').split('\r\n');
      resolve({
        code: error ? error.code : 0,
        stderr,
        interim: heads.slice(0, at),
        version: line.split(' ')[0],
        status: Number(line.split(' ')[1]),
        headers: Object.fromEntries(fields.map((field) => {
          const colon = field.indexOf(':');
          return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
        })),
        body: heads.slice(at + 1).join('\r\n\r\n'),
      });
    });
  });
}

function bodyFile(text) {
  const file = join(directory, 'body.json');
  writeFileSync(file, text);
  return `@${file}`;
}

// How many whole answers `text` begins with, each with its length.
function countAnswers(text) {
  let count = 0;
  for (let rest = text;; ++count) {
    const end = rest.indexOf('\r\n\r\n');
    const length = /content-length: (\d+)/i.exec(rest.slice(0, end));
    if (end < 0 || !length || rest.length < end + 4 + Number(length[1])) return count;
    rest = rest.slice(end + 4 + Number(length[1]));
  }
}

// Writes `pieces` one after the other and returns what comes until `answers` are complete or the
// server closes.
async function exchange(pieces, answers = 1) {
  const { hostname, port } = new URL(all.gateway.url);
  const socket = connectSocket(Number(port), hostname);
  let text = '';
  const complete = new Promise((resolve, reject) => {
    socket.on('data', (bytes) => {
      text += bytes;
      if (countAnswers(text) >= answers) resolve();
    });
    socket.on('close', resolve);
    socket.on('error', reject);
  });
  for (const piece of pieces) {
    await new Promise((resolve) => socket.write(piece, resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await complete;
  socket.destroy();
  return text;
}

const head = (path, ...fields) =>
  [`POST ${path} HTTP/1.1`, 'host: suite', `authorization: Bearer ${KEY}`,
   'content-type: application/json', ...fields, '', ''].join('\r\n');

describe('curl', () => {
  test('a chat completion', async () => {
    const answer = await curl('/v1/chat/completions', '-H', 'content-type: application/json',
                              '-d', request());
    assert.equal(answer.status, 200);
    assert.equal(JSON.parse(answer.body).object, 'chat.completion');
  });

  test('an HTTP/1.0 client gets its stream without chunks and then the close', async () => {
    const answer = await curl('/v1/chat/completions', '-0', '-H', 'content-type: application/json',
                              '-d', request({ stream: true }));
    assert.equal(answer.code, 0, answer.stderr);
    assert.equal(answer.status, 200);
    assert.ok(!('transfer-encoding' in answer.headers));
    assert.ok(answer.body.endsWith('data: [DONE]\n\n'));
  });

  test('Expect: 100-continue is answered before the body', async () => {
    const answer = await curl('/v1/chat/completions', '-H', 'content-type: application/json',
                              '-H', 'expect: 100-continue', '--expect100-timeout', '15', '-d',
                              bodyFile(request({ user: 'x'.repeat(100_000) })));
    assert.equal(answer.status, 200);
    assert.match(answer.interim[0], /^HTTP\/1\.1 100/);
  });

  test('a wrong key is refused before 100-continue', gatewayOnly, async () => {
    const answer = await curlWithout('/v1/chat/completions', '-H', 'authorization: Bearer sk-wrong',
                                     '-H', 'expect: 100-continue', '--expect100-timeout', '15',
                                     '-d', bodyFile(request()));
    assert.equal(answer.status, 401);
    assert.deepEqual(answer.interim, []);
  });

  test('HEAD /livez', gatewayOnly, async () => {
    const answer = await curl('/livez', '-I');
    assert.equal(answer.status, 200);
    assert.equal(answer.body, '');
    assert.equal((await curl('/readyz')).status, 200);
  });

  test('a chunked upload', async () => {
    const answer = await curl('/v1/chat/completions', '-H', 'content-type: application/json',
                              '-H', 'transfer-encoding: chunked', '-d',
                              bodyFile(request({ user: 'x'.repeat(300_000) })));
    assert.equal(answer.status, 200);
    assert.equal(JSON.parse((await all.sim.last()).body).user.length, 300_000);
  });

  for (const fields of [[], ['-H', 'transfer-encoding: chunked']]) {
    test(`d120 a body above the limit is a 413 ${fields.join(' ')}`, gatewayOnly, async () => {
      const answer = await curl('/v1/chat/completions', ...fields, '-H', 'expect:', '-d',
                                bodyFile(request({ user: 'x'.repeat(BODY_BYTES_MAX * 3) })));
      assert.equal(answer.status, 413);
    });
  }

  for (const field of ['x-api-key', 'api-key']) {
    test(`the key may come as ${field}`, gatewayOnly, async () => {
      const answer = await curlWithout('/v1/models', '-H', `${field}: ${KEY}`);
      assert.equal(answer.status, 200);
    });
  }

  for (const path of ['/livez/', '/LIVEZ', '//livez', '/livez/../v1/models', '/v1/%6dodels',
                      '/admin', '/metrics', '/']) {
    test(`d016 ${path} opens nothing`, gatewayOnly, async () => {
      const answer = await curlWithout(path, '--path-as-is');
      assert.ok(answer.status === 404 || answer.status === 401, String(answer.status));
    });
  }

  test('a method that the path does not know', gatewayOnly, async () => {
    const answer = await curl('/v1/chat/completions', '-X', 'DELETE');
    assert.equal(answer.status, 405);
    assert.match(answer.headers.allow, /POST/);
  });
});

describe('plain sockets', () => {
  test('two requests in one write are answered in order', async () => {
    const body = request({ max_tokens: 1 });
    const first = head('/v1/chat/completions', `content-length: ${body.length}`) + body;
    const second = head('/v1/nothing', 'content-length: 0', 'connection: close');
    const answer = await exchange([first + second], 2);
    const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1]);
    assert.deepEqual(statuses, ['200', '404']);
  });

  test('a request that comes byte by byte is understood', async () => {
    const body = request({ max_tokens: 1 });
    const whole = head('/v1/chat/completions', `content-length: ${body.length}`,
                       'connection: close') + body;
    const answer = await exchange([...whole]);
    assert.match(answer, /^HTTP\/1\.1 200/);
  });

  const ambiguous = {
    'both framings': [['content-length: 3', 'transfer-encoding: chunked'], '0\r\n\r\n'],
    'two lengths': [['content-length: 3', 'content-length: 4'], '{}'],
    'a length that is no number': [['content-length: +2'], '{}'],
    'a folded line': [['x-a: 1', ' 2', 'content-length: 2'], '{}'],
    'a bare LF': [['x-a: 1\nx-b: 2', 'content-length: 2'], '{}'],
    'a wrong chunk size': [['transfer-encoding: chunked'], '0x2\r\n{}\r\n0\r\n\r\n'],
  };
  for (const [name, [fields, body]] of Object.entries(ambiguous)) {
    test(`d065 ${name}: 400 and close, and nothing goes upstream`, async () => {
      const earlier = (await all.sim.stats()).requests;
      const answer = await exchange([head('/v1/chat/completions', ...fields) + body]);
      assert.match(answer, /^HTTP\/1\.1 400/);
      assert.match(answer, /connection: close/i);
      assert.equal(answer.match(/HTTP\/1\.1/g).length, 1, 'd112 one answer');
      if (!isDirect) assert.equal((await all.sim.stats()).requests - earlier, 1);
    });
  }
});

describe('what is written down', () => {
  test('d066 the access log has a line per request and no content', gatewayOnly, async () => {
    const secret = 'canary-prompt-7391';
    await curl('/v1/chat/completions', '-H', 'content-type: application/json', '-H',
               'x-request-id: suite-log-line', '-d', request({ user: secret }));
    const log = join(directory, 'access.log');
    const line = await until('the line of the request', () =>
      existsSync(log) &&
      readFileSync(log, 'utf8').split('\n').find((text) => text.includes('suite-log-line')));
    const record = JSON.parse(line);
    assert.equal(record.status, 200);
    assert.ok(!readFileSync(log, 'utf8').includes(secret));
    assert.ok(!readFileSync(log, 'utf8').includes(KEY));
  });
});

const nginx = ['/usr/sbin/nginx', '/usr/bin/nginx', '/sbin/nginx'].find(existsSync);

describe('nginx as an upstream', { skip: isDirect || !nginx ? 'needs nginx and the gateway' : false },
         () => {
  let between;
  let gateway;
  let client;
  before(async () => {
    between = await startNginx(nginx, all.sim.url);
    gateway = await startSluice('behind-nginx', configFor(between.url));
    client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: KEY, maxRetries: 0 });
  });
  after(async () => {
    if (gateway) assert.equal(await gateway.stop(), 0);
    if (between) await between.stop();
  });

  test('answers and streams pass unchanged, again and again', async () => {
    const asked = { model: 'chat', messages: QUESTION };
    for (let i = 0; i < 10; ++i) {
      const whole = await client.chat.completions.create(asked);
      const pieces = await collect(
        await client.chat.completions.create({ ...asked, stream: true }));
      assert.equal(pieces.text, whole.choices[0].message.content);
      assert.equal(pieces.usages.length, 0);
    }
  });

  test('an upstream behind nginx that is away is an error with nginx status', async () => {
    const error = await client.chat.completions.create({ model: 'garbage', messages: QUESTION })
      .then(() => assert.fail('no error came'), (reason) => reason);
    assert.equal(error.status, 502);
  });
});
