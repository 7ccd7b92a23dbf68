// An origin on node's own HTTP server: echoes each request, writes its id to the file it is given.
'use strict';
const fs = require('node:fs');
const http = require('node:http');

const log = fs.openSync(process.argv[2], 'a');
const hex = (text) => Buffer.from(text, 'latin1').toString('hex');

const server = http.createServer((request, answer) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    const id = request.headers['x-request-id'] ?? '';
    fs.writeSync(log, `${id}\n`);
    const fields = [];
    for (let i = 0; i < request.rawHeaders.length; i += 2) {
      fields.push([hex(request.rawHeaders[i]), hex(request.rawHeaders[i + 1])]);
    }
    const payload = JSON.stringify({
      echo: true, id, method: hex(request.method), target: hex(request.url), fields,
      body: Buffer.concat(pieces).toString('hex'),
    });
    answer.writeHead(200, { 'content-type': 'application/json', 'content-length': payload.length });
    answer.end(payload);
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
