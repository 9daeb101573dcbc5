'use strict';
// One event and its one answer.
const os = require('os');
const { unescape } = require('querystring');
const { Fault, describe, log } = require('./fault.cjs');
const { send, socket } = require('./channel.cjs');
const { logged } = require('./logs.cjs');

const BINARY = 'application/octet-stream';
const HTTP = 'application/vnd.awslambda.http-integration-response';
const atOnce = Math.ceil((Number(process.env.AWS_LAMBDA_MAX_CONCURRENCY) || 1) / os.cpus().length);
const open = new Map(); // by id: the events without an answer
let untaken = 0; // pieces that the client has not read yet

/** While an event is open, only what its handler waits for keeps the event loop going: its end shows in beforeExit. */
function keep() {
  if (open.size > 0 && untaken === 0) socket.unref();
  else socket.ref();
}

function bytesOf(value) {
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return value instanceof ArrayBuffer ? Buffer.from(value) : undefined;
}

function jsonOf(value) {
  try {
    const text = JSON.stringify(value);
    return text === undefined ? 'null' : text;
  } catch (error) {
    throw new Fault('Runtime.MarshalError', `the answer cannot be written as JSON: ${error.message}`);
  }
}

class Invocation {
  constructor(id, fields) {
    this.id = id; // as it came
    this.fields = fields.map((field) => (field === '-' ? undefined : field.includes('%') ? unescape(field) : field));
    this.streams = false;
    open.set(id, this);
    keep();
  }

  /** Sends one piece of a streamed answer. Before the first there is no stream, and an error is an error. */
  async piece(body, contentType) {
    this.stream(contentType);
    if (!open.has(this.id) || body.length === 0) return;
    untaken += 1;
    keep();
    await new Promise((sent) => send('DATA', body, [this.id], sent));
    untaken -= 1;
    keep();
  }

  stream(contentType = BINARY) {
    if (!this.streams && open.has(this.id)) send('STREAM', '', [this.id, encodeURI(contentType)]);
    this.streams = true;
  }

  async end(type, body, field) {
    if (!open.delete(this.id)) return;
    const unwritten = logged();
    if (unwritten) await unwritten; // the environment is frozen when the answer is out
    send(type, body, field ? [this.id, field] : [this.id]);
    keep();
  }

  endStream(contentType) {
    this.stream(contentType);
    return this.end('END', '');
  }

  /** Nothing is left that could bring the answer, unless another event does. */
  drained() {
    if (open.size < atOnce) {
      socket.ref();
      return;
    }
    this.fail(new Fault('Runtime.NodeJsExit', 'the handler waits for a promise that nothing is left to settle'));
  }

  fail(error) {
    log(error);
    return this.end(this.streams ? 'FAIL' : 'ERR', ...describe(error));
  }

  async answer(value) {
    if (value && (value[Symbol.asyncIterator] || typeof value.next === 'function')) return this.generate(value);
    const bytes = bytesOf(value);
    return bytes ? this.end('OK', bytes, BINARY) : this.end('OK', jsonOf(value));
  }

  /**
   * Texts and bytes of a generator are sent as they are, anything else as a line of JSON; but a first piece with a
   * `statusCode` is the head of an HTTP answer.
   */
  async generate(pieces) {
    for await (const value of pieces) {
      const http = !this.streams && value && value.statusCode;
      const json = () => jsonOf(value) + (http ? '\0'.repeat(8) : '\n');
      const body = typeof value === 'string' ? value : bytesOf(value) || json();
      await this.piece(body, http ? HTTP : undefined);
    }
    this.endStream();
  }
}

module.exports = { HTTP, Invocation, atOnce, open };
