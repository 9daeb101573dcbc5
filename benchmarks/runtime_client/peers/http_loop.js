// A Runtime API client of Node.js's own parts: http with keep-alive, one request after the other.
const http = require('http');

const { handler } = require(process.argv[2]);
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const root = '/2018-06-01/runtime/invocation';

function ask(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) };
    const request = http.request({ host, port, method, path: root + path, agent, headers }, (answer) => {
      const pieces = [];
      answer.on('data', (piece) => pieces.push(piece));
      answer.on('end', () => resolve([answer.headers['lambda-runtime-aws-request-id'], Buffer.concat(pieces)]));
    });
    request.on('error', reject);
    request.end(body);
  });
}

(async () => {
  for (;;) {
    const [id, event] = await ask('GET', '/next');
    await ask('POST', `/${id}/response`, JSON.stringify(await handler(JSON.parse(event))));
  }
})();
