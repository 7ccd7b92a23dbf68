// The openai package from npm with nothing changed but its base_url.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { until } from './servers.mjs';
import {
  BODY_BYTES_MAX, KEY, OpenAI, QUESTION, UPSTREAM_KEY, collect, gatewayOnly, isDirect, model,
  startAll,
} from './setup.mjs';

let all;
let client;
before(async () => {
  all = await startAll();
  client = all.client;
});
after(async () => {
  if (!all) return;
  assert.deepEqual(await all.stop(), isDirect ? [0] : [0, 0]);
});

const chat = (name, more = {}) =>
  client.chat.completions.create({ model: model(name), messages: QUESTION, ...more });
const stream = (name, more = {}, options = {}) =>
  client.chat.completions.create(
    { model: model(name), messages: QUESTION, stream: true, ...more }, options);
// The text that the models without a fault say.
const expectedText = async () => (await chat('chat')).choices[0].message.content;

async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail('no error came');
}

describe('models', () => {
  test('d012 models are listed, those of the key alone', gatewayOnly, async () => {
    const ids = [];
    for await (const entry of client.models.list()) ids.push(entry.id);
    assert.ok(ids.includes('chat'));
    assert.ok(!ids.includes('private'));
  });

  test('d145 the list of models asks for a key', gatewayOnly, async () => {
    const error = await failure(all.connect({ apiKey: 'sk-wrong' }).models.list());
    assert.ok(error instanceof OpenAI.AuthenticationError);
  });

  test('one model is retrieved', async () => {
    const id = isDirect ? 'sim-small' : 'chat';
    const entry = await client.models.retrieve(id);
    assert.equal(entry.id, id);
    assert.equal(entry.object, 'model');
  });

  test('an unknown model cannot be retrieved', async () => {
    assert.ok((await failure(client.models.retrieve('nobody'))) instanceof OpenAI.NotFoundError);
  });
});

describe('answers', () => {
  test('a chat completion', async () => {
    const answer = await chat('chat');
    assert.equal(answer.object, 'chat.completion');
    assert.ok(answer.choices[0].message.content.length > 40);
    assert.equal(answer.choices[0].finish_reason, 'stop');
    assert.equal(answer.usage.completion_tokens, 40);
  });

  test('max_tokens reaches the upstream', async () => {
    const answer = await chat('chat', { max_tokens: 5 });
    assert.equal(answer.choices[0].finish_reason, 'length');
    assert.equal(answer.usage.completion_tokens, 5);
  });

  test('a tool call', async () => {
    const answer = await chat('tools', { tools: [weatherTool] });
    const [call] = answer.choices[0].message.tool_calls;
    assert.equal(call.function.name, 'get_weather');
    assert.equal(JSON.parse(call.function.arguments).location, 'Amsterdam');
    assert.equal(answer.choices[0].finish_reason, 'tool_calls');
  });

  test('a tool that is asked for by name', async () => {
    const choice = { type: 'function', function: { name: 'get_weather' } };
    const answer = await chat('chat', { tools: [weatherTool], tool_choice: choice });
    assert.equal(answer.choices[0].message.tool_calls[0].function.name, 'get_weather');
  });

  test('JSON mode', async () => {
    const answer = await chat('chat', { response_format: { type: 'json_object' } });
    assert.equal(typeof JSON.parse(answer.choices[0].message.content), 'object');
  });

  test('embeddings, as base64 underneath and as floats', async () => {
    const request = { model: model('embedding'), input: ['one', 'two'], dimensions: 64 };
    const packed = await client.embeddings.create(request);
    const plain = await client.embeddings.create({ ...request, encoding_format: 'float' });
    assert.equal(packed.data.length, 2);
    assert.equal(packed.data[0].embedding.length, 64);
    plain.data[0].embedding.forEach((value, i) =>
      assert.ok(Math.abs(value - packed.data[0].embedding[i]) < 1e-6));
  });

  test('a completion, whole and as a stream', async () => {
    const request = { model: model('chat'), prompt: 'Once' };
    const whole = await client.completions.create(request);
    const pieces = await collect(await client.completions.create({ ...request, stream: true }));
    assert.equal(pieces.text, whole.choices[0].text);
    assert.ok(pieces.text.length > 40);
  });

  test('d108 large numbers, unknown fields and odd shapes arrive as they were', async () => {
    const odd = {
      stop: 'END', seed: 9007199254740991, logit_bias: { 50256: -100 }, x_unknown: [1e300, null],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'part' }] },
                 { role: 'assistant', content: null }],
    };
    await chat('chat', odd);
    const body = JSON.parse((await all.sim.last()).body);
    for (const [name, value] of Object.entries(odd)) assert.deepEqual(body[name], value);
  });
});

const weatherTool = {
  type: 'function',
  function: { name: 'get_weather', parameters: { type: 'object', properties: {} } },
};

describe('the responses API', () => {
  test('an answer in one piece', async () => {
    const answer = await client.responses.create({ model: model('chat'), input: 'Hello' });
    assert.equal(answer.status, 'completed');
    assert.ok(answer.output_text.length > 40);
    assert.equal(answer.usage.output_tokens, 40);
  });

  test('a stream ends in response.completed with its usage', async () => {
    const request = { model: model('chat'), input: 'Hello' };
    const whole = await client.responses.create(request);
    const types = [];
    let text = '';
    let usage;
    for await (const event of await client.responses.create({ ...request, stream: true })) {
      types.push(event.type);
      if (event.type === 'response.output_text.delta') text += event.delta;
      if (event.type === 'response.completed') usage = event.response.usage;
    }
    assert.equal(types[0], 'response.created');
    assert.equal(types.at(-1), 'response.completed');
    assert.equal(text, whole.output_text);
    assert.equal(usage.output_tokens, 40);
  });
});

describe('streams', () => {
  test('the deltas are the text', async () => {
    const pieces = await collect(await stream('chat'));
    assert.equal(pieces.text, await expectedText());
    assert.deepEqual(pieces.finish, ['stop']);
  });

  test('d021 usage comes when asked for', async () => {
    const pieces = await collect(await stream('chat', { stream_options: { include_usage: true } }));
    assert.equal(pieces.usages.length, 1);
    assert.equal(pieces.usages[0].completion_tokens, 40);
    assert.deepEqual(pieces.chunks.at(-1).choices, []);
  });

  for (const options of [undefined, null, {}, { include_usage: false }]) {
    test(`d021 no usage chunk is seen with stream_options ${JSON.stringify(options)}`, async () => {
      const more = options === undefined ? {} : { stream_options: options };
      const pieces = await collect(await stream('chat', more));
      assert.equal(pieces.usages.length, 0);
      for (const chunk of pieces.chunks) assert.equal(chunk.choices.length, 1);
      assert.equal(pieces.text, await expectedText());
    });
  }

  test('d022 stream options of one request are not those of the next', async () => {
    await collect(await stream('chat', { stream_options: { include_usage: true }, user: 'a' }));
    await chat('chat');
    const body = JSON.parse((await all.sim.last()).body);
    assert.ok(!('stream_options' in body) && !('user' in body) && !('stream' in body));
  });

  const shapes = ['paced', 'crlf', 'usage-first', 'no-usage', 'one-chunk', 'until-close',
                  'with-length', 'one-write'];
  for (const name of shapes) {
    test(`an upstream that sends its stream as "${name}" is understood`, async () => {
      const pieces = await collect(await stream(name));
      assert.equal(pieces.text, await expectedText());
      assert.equal(pieces.usages.length, 0);
    });
  }

  test('d018 an event of 300,000 bytes comes whole', async () => {
    const pieces = await collect(await stream('big'));
    assert.ok(pieces.text.includes('x'.repeat(300_000)));
  });

  test('tool calls come in deltas', async () => {
    let name = '';
    let text = '';
    let count = 0;
    for await (const chunk of await stream('tools', { tools: [weatherTool] })) {
      for (const call of chunk.choices[0]?.delta.tool_calls ?? []) {
        name += call.function.name ?? '';
        text += call.function.arguments ?? '';
        ++count;
      }
    }
    assert.equal(name, 'get_weather');
    assert.equal(JSON.parse(text).location, 'Amsterdam');
    assert.ok(count > 5);
  });

  for (const name of ['echo', 'echo-split']) {
    test(`d018 much text of all scripts stays intact through "${name}"`, async () => {
      const text = 'Grüße, 世界! नमस्ते 👩‍👩‍👧‍👦 \u0000 "\\/\b\f\n\r\t" \u2028 '.repeat(
        name === 'echo' ? 500 : 20);
      const messages = [{ role: 'user', content: text }];
      assert.equal((await collect(await stream(name, { messages }))).text, text);
      assert.equal((await chat(name, { messages })).choices[0].message.content, text);
    });
  }

  test('50 streams at once', async () => {
    const expected = await expectedText();
    const streams = Array.from({ length: 50 }, async () => collect(await stream('paced')));
    for (const pieces of await Promise.all(streams)) assert.equal(pieces.text, expected);
  });

  test('d026 a connection is used again after a stream', async () => {
    const accepted = async () => (await all.sim.stats()).connections_accepted;
    await collect(await stream('chat'));
    await chat('chat');
    const earlier = await accepted();
    for (let i = 0; i < 20; ++i) {
      await collect(await stream('chat'));
      await chat('chat');
    }
    // One per shard at most that had none yet, and the one that asks for the figures.
    assert.ok((await accepted()) - earlier <= 3);
  });

  test('a connection that the upstream closes unannounced does no harm', async () => {
    for (let i = 0; i < 30; ++i) {
      const pieces = await collect(await stream('early-close'));
      assert.deepEqual(pieces.finish, ['stop']);
    }
  });
});

describe('d109 a client that leaves ends its upstream request', () => {
  const aborts = async (phase) =>
    (await all.sim.stats()).aborts.filter((abort) => abort.phase === phase);

  test('in the middle of a stream', async (t) => {
    const earlier = (await aborts('stream')).length;
    const endless = await stream('endless');
    let count = 0;
    let left_ns;
    for await (const chunk of endless) {
      assert.ok(chunk.choices.length <= 1);
      if (++count < 5) continue;
      left_ns = process.hrtime.bigint();
      break;  // Leaving the loop aborts the request.
    }
    const abort = await until('the upstream to be closed', async () =>
      (await aborts('stream')).slice(earlier)[0]);
    assert.ok(abort.events_sent >= 5);
    t.diagnostic(`upstream closed after ${(abort.gone_ns - Number(left_ns)) / 1000} us`);
  });

  test('before the first byte of the answer', async () => {
    const earlier = (await aborts('stall')).length;
    const leaving = new AbortController();
    const asked = (await all.sim.stats()).requests_open;
    const error = failure(
      client.chat.completions.create({ model: model('mute'), messages: QUESTION },
                                     { signal: leaving.signal }));
    await until('the request to arrive', async () =>
      (await all.sim.stats()).requests_open > asked);
    leaving.abort();
    assert.ok((await error) instanceof OpenAI.APIUserAbortError);
    await until('the upstream to be closed', async () =>
      (await aborts('stall')).length > earlier);
  });
});

describe('errors', () => {
  test('a wrong key', gatewayOnly, async () => {
    const error = await failure(all.connect({ apiKey: 'sk-wrong' }).chat.completions.create(
      { model: 'chat', messages: QUESTION }));
    assert.ok(error instanceof OpenAI.AuthenticationError);
    assert.equal(error.status, 401);
    assert.equal(error.code, 'invalid_api_key');
    assert.ok(error.requestID);
  });

  test('an unknown model', gatewayOnly, async () => {
    const error = await failure(
      client.chat.completions.create({ model: 'nobody', messages: QUESTION }));
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, 'model_not_found');
    assert.equal(error.param, 'model');
  });

  for (const streamed of [false, true]) {
    test(`d012 a model that the key may not use, stream ${streamed}`, gatewayOnly, async () => {
      const error = await failure(client.chat.completions.create(
        { model: 'private', messages: QUESTION, stream: streamed }));
      assert.ok(error instanceof OpenAI.PermissionDeniedError);
      assert.equal(error.code, 'model_not_allowed');
    });
  }

  test('d120 a body above the limit', gatewayOnly, async () => {
    const content = 'x'.repeat(BODY_BYTES_MAX + 1);
    const error = await failure(
      client.chat.completions.create({ model: 'chat', messages: [{ role: 'user', content }] }));
    assert.equal(error.status, 413);
    assert.equal(error.code, 'request_too_large');
    assert.match(error.message, new RegExp(String(BODY_BYTES_MAX)));
  });

  test('d093 an endpoint that is not built', async () => {
    const error = await failure(client.moderations.create({ input: 'x' }));
    assert.ok(error instanceof OpenAI.NotFoundError);
  });

  test('a body that is no JSON object', async () => {
    const error = await failure(client.post('/chat/completions', { body: ['x'] }));
    assert.ok(error instanceof OpenAI.BadRequestError);
  });

  test('d105 a 429 keeps its retry-after', async () => {
    const error = await failure(chat('limited'));
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.equal(error.headers.get('retry-after'), '7');
  });

  for (const streamed of [false, true]) {
    test(`d119 a 503 keeps its status and retry-after, stream ${streamed}`, async () => {
      const error = await failure(chat('busy', { stream: streamed }));
      assert.ok(error instanceof OpenAI.InternalServerError);
      assert.equal(error.status, 503);
      assert.equal(error.headers.get('retry-after'), '1');
      assert.match(error.headers.get('content-type'), /^application\/json/);
    });
  }

  test('the SDK heeds the retry-after of a 503 and asks again', async () => {
    const earlier = (await all.sim.stats()).requests;
    const error = await failure(all.connect({ maxRetries: 1 }).chat.completions.create(
      { model: model('busy'), messages: QUESTION }));
    assert.equal(error.status, 503);
    // Two of the SDK's and two questions for the figures.
    assert.equal((await all.sim.stats()).requests - earlier, 3);
  });

  for (const name of ['cut-before-head', 'garbage']) {
    test(`d074 an upstream that answers with "${name}" is a 502 without inner detail`,
         gatewayOnly, async () => {
      const error = await failure(chat(name));
      assert.equal(error.status, 502);
      assert.doesNotMatch(error.message, /127\.0\.0\.1|errno|recv/);
    });
  }
});

// Its class and text, with those of what caused it, and the fields that a program could look at.
function describeError(error) {
  const fields = ['status', 'code', 'type'].filter((name) => error[name] != null)
    .map((name) => `${name} ${error[name]}`);
  const cause = error.cause ? `, caused by ${describeError(error.cause)}` : '';
  const inner = fields.length ? ` (${fields.join(', ')})` : '';
  return `${error.constructor.name} "${error.message}"${inner}${cause}`;
}

describe('d103 a stream that breaks raises in the SDK', () => {
  const names = ['cut', 'cut-mid-event', 'cut-mid-chunk', 'reset', 'bad-chunk', 'error-event'];
  for (const name of names) {
    test(name, async (t) => {
      let text = '';
      const error = await failure((async () => {
        for await (const chunk of await stream(name)) text += chunk.choices[0].delta.content ?? '';
      })());
      assert.ok(error instanceof Error);
      t.diagnostic(`${name}: the SDK raises ${describeError(error)}, after ${text.length} characters`);
      assert.ok((await expectedText()).startsWith(text));
      assert.ok(text.length > 0, 'what came before the break is delivered');
    });
  }

  test('the gateway goes on afterwards', async () => {
    assert.equal((await collect(await stream('chat'))).text, await expectedText());
  });
});

describe('headers', () => {
  test('the request id is visible as _request_id', async () => {
    const { data, request_id: id, response } = await chatWithResponse();
    assert.ok(id);
    assert.equal(data._request_id, id);
    if (!isDirect) assert.match(response.headers.get('x-upstream-request-id'), /^sim-/);
  });

  const chatWithResponse = (headers) =>
    client.chat.completions.create({ model: model('chat'), messages: QUESTION }, { headers })
      .withResponse();

  test('d144 a good request id of the client is kept', gatewayOnly, async () => {
    const { request_id: id } = await chatWithResponse({ 'x-request-id': 'suite-1.a_B' });
    assert.equal(id, 'suite-1.a_B');
  });

  test('d075 a bad request id of the client is replaced', gatewayOnly, async () => {
    const { request_id: id } = await chatWithResponse({ 'x-request-id': 'no spaces, please' });
    assert.match(id, /^[A-Za-z0-9._-]{1,128}$/);
  });

  test('d118 the headers of the upstream reach the client', async () => {
    const { response } = await chatWithResponse();
    assert.equal(response.headers.get('x-ratelimit-limit-requests'), '10000');
  });

  test('d126 the upstream sees its own credential and not the client key', gatewayOnly, async () => {
    await chatWithResponse({ cookie: 'a=b', 'x-api-key': KEY, 'x-private': '1' });
    const seen = await all.sim.last();
    const headers = Object.fromEntries(
      seen.headers.map(([name, value]) => [name.toLowerCase(), value]));
    assert.equal(headers.authorization, `Bearer ${UPSTREAM_KEY}`);
    assert.ok(!JSON.stringify(seen).includes(KEY));
    // D60: nothing of the client's goes upstream but what is allowed.
    for (const name of ['cookie', 'x-api-key', 'x-private']) assert.ok(!(name in headers), name);
  });
});
