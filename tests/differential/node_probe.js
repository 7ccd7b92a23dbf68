// node's HTTP parser and its JSON.parse over the framed cases of parser_probe.cc.
'use strict';
const { HTTPParser, methods } = require('_http_common');

const hex = (text) => Buffer.from(text, 'latin1').toString('hex');

// One parser for all cases would keep what the last one left.
function makeParser(kind, verdict) {
  const parser = new HTTPParser();
  parser.initialize(kind === 'q' ? HTTPParser.REQUEST : HTTPParser.RESPONSE, {});
  let message;
  const addFields = (list) => {
    for (let i = 0; i < list.length; i += 2) message.fields.push([hex(list[i]), hex(list[i + 1])]);
  };
  parser[HTTPParser.kOnMessageBegin | 0] = () => {
    message = { fields: [], body: '' };
  };
  parser[HTTPParser.kOnHeaders | 0] = (list, url) => {
    // What comes behind the body are trailers.
    if (message.isHead) return;
    addFields(list);
    message.target = (message.target ?? '') + hex(url);
  };
  parser[HTTPParser.kOnHeadersComplete | 0] = (major, minor, list, method, url, code, reason,
    upgrade, keep) => {
    if (list !== undefined) addFields(list);
    if (kind === 'q') {
      message.method = hex(methods[method] ?? String(method));
      if (url !== undefined) message.target = (message.target ?? '') + hex(url);
    } else {
      message.code = code;
    }
    message.minor = minor;
    message.keep = keep;
    message.isHead = true;
    return kind === 'h' || (kind === 's' && code < 200) ? 1 : 0;
  };
  parser[HTTPParser.kOnBody | 0] = (piece) => {
    message.body += piece.toString('hex');
  };
  parser[HTTPParser.kOnMessageComplete | 0] = () => {
    delete message.isHead;
    verdict.messages.push(message);
    message = { fields: [], body: '' };
  };
  return parser;
}

function readStream(kind, bytes) {
  const verdict = { messages: [], tail: 'clean', why: '', status: 0 };
  const parser = makeParser(kind, verdict);
  const taken = parser.execute(bytes);
  if (taken instanceof Error) {
    verdict.tail = 'refused';
    verdict.why = `${taken.code} ${taken.reason}`;
  } else if (taken < bytes.length) {
    verdict.tail = 'upgrade';
  } else {
    const end = parser.finish();
    if (end instanceof Error) verdict.tail = 'waits';
  }
  parser.free();
  return verdict;
}

const NAMES = ['model', 'stream', 'max_tokens', 'max_completion_tokens', 'max_output_tokens', 'n',
  'user', 'prompt_cache_key'];

function readBody(bytes) {
  let value;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    return { ok: false, why: error.name };
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const verdict = { ok: true, isObject };
  if (!isObject) return verdict;
  for (const name of NAMES) {
    if (!Object.hasOwn(value, name)) continue;
    // Only what is comparable: an answer must not grow with the body.
    const isPlain = typeof value[name] !== 'object' || value[name] === null;
    verdict[name] = isPlain ? value[name] : {};
  }
  verdict.usage = Object(value.stream_options).include_usage === true;
  return verdict;
}

let pending = Buffer.alloc(0);
process.stdin.on('data', (piece) => {
  pending = Buffer.concat([pending, piece]);
  const lines = [];
  while (pending.length >= 5 && pending.length >= 5 + pending.readUInt32LE(1)) {
    const kind = String.fromCharCode(pending[0]);
    const bytes = pending.subarray(5, 5 + pending.readUInt32LE(1));
    lines.push(JSON.stringify(kind === 'j' ? readBody(bytes) : readStream(kind, bytes)), '\n');
    pending = pending.subarray(5 + bytes.length);
  }
  process.stdout.write(lines.join(''));
});
